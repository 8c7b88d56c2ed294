import Foundation
import JSON
import Testing
import TestSupport

@Suite struct JSONValueTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Data(text.utf8)) }
    private func text(_ value: JSONValue) -> String { String(decoding: value.encoded(), as: UTF8.self) }

    @Test func readsEveryKind() throws {
        #expect(try parse("null") == .null)
        #expect(try parse("true") == .bool(true))
        #expect(try parse("0") == .integer(0))
        #expect(try parse("-1.5") == .number(-1.5))
        #expect(try parse(#""é\u00e9\n""#) == .string("éé\n"))
        #expect(try parse("[1,[],{}]") == .array([.integer(1), .array([]), .object([:])]))
        #expect(try parse(#"{"a":{"b":false}}"#) == ["a": ["b": false]])
    }

    @Test(arguments: ["", "{", "[1,,2]", "nul", "'a'", "{a:1}", "01", "1 2", "\u{FEFF}", #""\ud800""#, "NaN", "1e999"])
    func refusesWhatIsNotJSON(_ text: String) {
        #expect(throws: JSONParser.Failure.self) { try parse(text) }
    }

    @Test(arguments: [
        9_007_199_254_740_993, Int64.max, Int64.min, -1, 0, 1_687_176_363_002,
    ])
    func keepsBigIntegersExact(_ number: Int64) throws {
        #expect(try parse("\(number)") == .integer(number))
        #expect(text(.integer(number)) == "\(number)")
    }

    @Test func numbersPastInt64BecomeDoubles() throws {
        #expect(try parse("18446744073709551616") == .number(18_446_744_073_709_551_616))
        #expect(try parse("18446744073709551616").integer == nil)
    }

    @Test func booleansAndNumbersAreNotMixedUp() throws {
        #expect(try parse("[true,1,0,false]") == .array([.bool(true), .integer(1), .integer(0), .bool(false)]))
        #expect(text([true, 1, 0, false]) == "[true,1,0,false]")
    }

    @Test func equalValuesGiveEqualBytes() throws {
        let one = try parse(#"{"b":[1,{"y":1,"x":2}],"a":"/","é":null,"B":0}"#)
        let two = try parse(#" { "B" : 0, "é" : null, "a":"\/" , "b" : [ 1 , { "x":2, "y":1 } ] } "#)
        #expect(one == two)
        #expect(one.encoded() == two.encoded())
        #expect(text(one) == #"{"B":0,"a":"/","b":[1,{"x":2,"y":1}],"é":null}"#)
    }

    @Test func everyValueComesBack() throws {
        var random = SeededRandom(seed: 11)
        for _ in 0..<500 {
            let value = Self.value(depth: 4, &random)
            try #require(try JSONValue(parsing: value.encoded()) == value)
        }
    }

    /// Digests of the text are kept from one version to the next.
    @Test func theTextIsFoundations() throws {
        var random = SeededRandom(seed: 12)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        for value in [Self.odd] + (0..<500).map({ _ in Self.value(depth: 4, &random) }) {
            try #require(try value.encoded() == encoder.encode(value))
        }
    }

    private static let odd: JSONValue = .array(
        [2, 1e20, 1e-7, -0.5, 1e16, 0.1, 123_456_789_012_345_680].map(JSONValue.number)
            + (0...0x80).map { .string("a\(UnicodeScalar(UInt8($0)))/") }
            + [["é": 0, "z": 0, "Z": 0, "a10": 0, "a9": 0, "_": 0, "😀": 0, "\u{FFFF}": 0]]
            // Composed and decomposed: by their bytes, and not as equal text.
            + [["e\u{301}": 0, "f": 0, "\u{E9}x": 0, "z": 0]]
    )

    private static func value(depth: Int, _ random: inout SeededRandom) -> JSONValue {
        switch Int.random(in: 0...(depth == 0 ? 4 : 6), using: &random) {
        case 0: return .null
        case 1: return .bool(.random(using: &random))
        case 2: return .integer(.random(in: .min ... .max, using: &random))
        // Halves are exact, and never whole.
        case 3: return .number(Double(Int.random(in: -1000...1000, using: &random)) + 0.5)
        case 4: return .string(Self.text(&random))
        case 5: return .array((0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth: depth - 1, &random) })
        default:
            var members: [String: JSONValue] = [:]
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                members[Self.text(&random)] = value(depth: depth - 1, &random)
            }
            return .object(members)
        }
    }

    private static func text(_ random: inout SeededRandom) -> String {
        let scalars = Array("aZ09 /~\"\\\n\t\u{0}\u{7F}é漢😀\u{2028}".unicodeScalars)
        var text = ""
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            text.unicodeScalars.append(scalars[Int.random(in: 0..<scalars.count, using: &random)])
        }
        return text
    }

    @Test func looksInside() {
        let value: JSONValue = ["text": "a", "count": 3, "flag": true, "list": [1], "nested": ["x": .null]]
        #expect(value["text"]?.string == "a")
        #expect(value["count"]?.integer == 3)
        #expect(value["flag"]?.bool == true)
        #expect(value["list"]?.array == [.integer(1)])
        #expect(value["nested"]?.object == ["x": .null])
        #expect(value["absent"] == nil)
        #expect(JSONValue.string("a")["text"] == nil)
        #expect(JSONValue.number(2).integer == 2)
        #expect(JSONValue.number(2.5).integer == nil)
        #expect(JSONValue.number(1e300).integer == nil)
        #expect(JSONValue.string("3").integer == nil)
        #expect(JSONValue.integer(1).bool == nil)
    }

    @Test(
        arguments: [
            (.null, "null"), (true, "boolean"), (1, "integer"), (.number(1.5), "number"), ("", "string"),
            (.array([]), "array"), (.object([:]), "object"),
        ] as [(JSONValue, String)]
    )
    func namesKindsAsJSONSchemaDoes(_ value: JSONValue, _ kind: String) {
        #expect(value.kind == kind)
    }

    @Test func deepNestingIsAnErrorNotACrash() {
        let text = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
        #expect(throws: JSONParser.Failure.self) { try parse(text) }
    }
}
