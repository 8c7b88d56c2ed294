import JSON
import Testing
import TestSupport

@Suite struct LenientJSONTests {
    private func parse(_ text: String) -> JSONValue? { try? JSONParser.parse(text, .lenient) }

    @Test(
        arguments: [
            (#"{"a":[1,-2.5,true,false,null,"x"]}"#, ["a": [1, .number(-2.5), true, false, .null, "x"]]),
            (" [ ] ", []), ("{}", [:]), (#""\u00e9\n\/\"""#, "é\n/\""), (#""\ud83d\ude00""#, "😀"),
            ("9223372036854775807", .integer(.max)), ("9223372036854775808", .number(9_223_372_036_854_775_808)),
            // What is let pass.
            ("\u{FEFF}{}", [:]), (#""\ud83d""#, "\u{FFFD}"), (#""a\ud83db""#, "a\u{FFFD}b"), (#""\udc00""#, "\u{FFFD}"),
            (#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"), ("\"a\u{1}b\"", "a\u{1}b"), (#""\q""#, "q"), ("[1,]", [1]),
            (#"{"a":1,}"#, ["a": 1]), ("[NaN,1e999]", [.null, .null]), (#"{"a":1,"a":2}"#, ["a": 2]),
        ] as [(String, JSONValue)]
    )
    func reads(_ text: String, _ value: JSONValue) {
        #expect(parse(text) == value)
    }

    @Test(arguments: [
        "", " ", "{", "[1", #"{"a""#, #"{"a":"#, #""abc"#, "nul", "1 2", "{}{}", "[1 2]", "{1:2}", "0x10", "<html>",
        "+1", ",", #"{"a":1 "b":2}"#,
    ])
    func refuses(_ text: String) {
        #expect(parse(text) == nil)
    }

    @Test func bytesThatAreNoTextAreReplaced() throws {
        #expect(try JSONParser.parse([0x22, 0x61, 0xFF, 0x22], .lenient) == .string("a\u{FFFD}"))
    }

    @Test func whatIsNestedTooDeeplyIsNull() {
        let text =
            #"{"a":"# + String(repeating: "[", count: 100_000) + #""]""# + String(repeating: "]", count: 100_000)
            + #","b":1}"#
        #expect(parse(text)?["b"] == 1)
        #expect(parse(String(repeating: "[", count: 100_000)) == nil)
    }

    /// Whatever comes, an answer does: no crash, no loop.
    @Test(arguments: 0..<200)
    func garbageIsReadOrRefused(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let alphabet = Array(#"{}[]":,\u0123dDeE+-.truefalsnl "#.utf8) + [0xFF, 0xED, 0xA0, 0x80, 0x00, 0x0A]
        let bytes = (0..<Int(random.next() % 400)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
        _ = try? JSONParser.parse(bytes, .lenient)
        var text = Array(#"{"value":[{"id":"1","name":"\ud83d\ude00","list":[1,2,{"x":null}]}]}"#.utf8)
        for _ in 0..<3 { text[Int(random.next() % UInt64(text.count))] = UInt8(truncatingIfNeeded: random.next()) }
        _ = try? JSONParser.parse(text, .lenient)
        _ = try? JSONParser.parse(Array(text.prefix(Int(random.next() % UInt64(text.count)))), .lenient)
    }
}
