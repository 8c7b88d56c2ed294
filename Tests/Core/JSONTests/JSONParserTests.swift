import JSON
import Testing

@Suite struct JSONParserTests {
    private func parse(_ text: String, maxDepth: Int = 32) throws -> JSONValue {
        try JSONParser.parse(text, .strict(maxDepth: maxDepth))
    }

    @Test(
        arguments: [
            ("null", .null), (" true\n", .bool(true)), ("false", .bool(false)), ("0", .integer(0)), ("-0", .integer(0)),
            ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("9223372036854775808", .number(9_223_372_036_854_775_808)), ("1.5e3", .number(1500)),
            ("1E-2", .number(0.01)),
            ("\"\"", .string("")), ("\"\\u00e9\\n\\\"\\\\\\/\\b\\f\\r\\t\"", .string("é\n\"\\/\u{8}\u{c}\r\t")),
            ("\"\\ud83d\\ude00😀\"", .string("😀😀")), ("\"\u{7f}\"", .string("\u{7f}")), ("[]", .array([])),
            ("[1, [2]]", .array([.integer(1), .array([.integer(2)])])), ("{ }", .object([:])),
            ("{\"a\":{\"b\":[{}]}}", .object(["a": .object(["b": .array([.object([:])])])])),
        ] as [(String, JSONValue)]
    )
    func reads(text: String, value: JSONValue) throws {
        #expect(try parse(text) == value)
        let written = JSONWriter.object { $0.member("v", value) }
        #expect(try JSONParser.parse(written) == .object(["v": value]))
    }

    @Test(arguments: [
        "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1,}", "{a:1}", "nul", "truex", "+1", ".5",
        "1.", "1e", "1e+", "01", "-", "0x1", "NaN", "Infinity", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
        "\"\\ud800x\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"", "1 2", "[1}", "{\"a\":1]", "1\u{feff}", "1e400",
        "-1e400", "'a'", "/**/1", "\"\\",
    ])
    func refuses(text: String) {
        #expect(throws: JSONParser.Failure.self) { try parse(text) }
    }

    @Test func refusesBytesThatAreNotText() {
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse([0x22, 0xFF, 0x22]) }
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse([0x22, 0xC0, 0x80, 0x22]) }
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse([0x22, 0xED, 0xA0, 0x80, 0x22]) }
    }

    @Test func namesTheMemberThatStandsTwice() throws {
        let failure = #expect(throws: JSONParser.Failure.self) {
            try parse("{\"a\": [0, {\"b/c\": 1, \"b\\u002fc\": 2}]}")
        }
        #expect(failure == JSONParser.Failure(reason: "has this member twice", offset: 31, pointer: "/a/1/b~1c"))
    }

    @Test func countsTheDepth() throws {
        #expect(try parse("[[[1]]]", maxDepth: 3) == .array([.array([.array([.integer(1)])])]))
        #expect(throws: JSONParser.Failure.self) { try parse("[[[[]]]]", maxDepth: 3) }
        #expect(throws: JSONParser.Failure.self) { try parse(String(repeating: "{\"a\":", count: 100_000)) }
    }
}

@Suite struct JSONWriterTests {
    @Test func keepsTheOrderAndLeavesOutWhatIsAbsent() {
        let bytes = JSONWriter.object { writer in
            writer.member("z", "1")
            writer.member("absent", nil as String?)
            writer.member("a", .array([.integer(1), .null, .bool(false), .number(1.5), .array([]), .object([:])]))
            writer.member("o", object: { $0.member("x\"\n", "\u{1}\u{7f}é/\\") })
            writer.member("sorted", ["b": 1, "a": 2])
        }
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"z":"1","a":[1,null,false,1.5,[],{}],"o":{"x\"\n":"\u0001\u007fé/\\"},"sorted":{"a":2,"b":1}}"#
        )
    }
}
