import Exports
import JSON
import Testing

@Suite struct ObjectReaderTests {
    /// Reads `value` as the member `m`; nothing but `faults` may be found wrong with it, at `/m`.
    private func check(
        _ value: JSONValue?,
        _ faults: [String],
        at location: SourceLocation = #_sourceLocation,
        _ read: (inout ObjectReader) -> Void
    ) {
        var reader = ObjectReader(.object(value.map { ["m": $0] } ?? [:]))
        read(&reader)
        reader.finish()
        #expect(reader.faults == faults.map { FieldFault("/m", $0) }, sourceLocation: location)
    }

    @Test(
        arguments: [
            (.null, "null"), ("text", "a string"), (1, "an integer"), (.number(1.5), "a number"), (true, "a boolean"),
            ([1], "an array"),
        ] as [(JSONValue, String)]
    )
    func onlyAnObjectIsRead(_ value: JSONValue, _ article: String) {
        var reader = ObjectReader(value, at: "/powerBI")
        #expect(reader.string("m") == nil)
        reader.finish()
        #expect(reader.faults == [FieldFault("/powerBI", "must be an object, not \(article)")])
    }

    @Test func string() {
        check("a", []) { #expect($0.string("m") == "a") }
        check("a\tb\r\nc", []) { #expect($0.string("m") != nil) }
        check(nil, []) { #expect($0.string("m") == nil) }
        check(.null, ["must not be null; leave it out instead"]) { #expect($0.string("m") == nil) }
        check(1, ["must be a string, not an integer"]) { #expect($0.string("m") == nil) }
        check("", ["must not be empty"]) { #expect($0.string("m") == nil) }
        check("", []) { #expect($0.string("m", length: 0...5) == "") }
        check("abcd", ["must have 1 to 3 characters"]) { #expect($0.string("m", length: 1...3) == nil) }
        check("a\u{0}", ["must not hold control characters"]) { #expect($0.string("m") == nil) }
        check("a\u{7F}", ["must not hold control characters"]) { #expect($0.string("m") == nil) }
        // Length counts scalars: a flag is two of them.
        check("🇩🇪", ["must have 1 to 1 characters"]) { #expect($0.string("m", length: 1...1) == nil) }
    }

    @Test func requiredString() {
        check("a", []) { #expect($0.requiredString("m") == "a") }
        check(nil, ["is required"]) { #expect($0.requiredString("m") == nil) }
        check(.null, ["must not be null; leave it out instead"]) { #expect($0.requiredString("m") == nil) }
        check([], ["must be a string, not an array"]) { #expect($0.requiredString("m") == nil) }
    }

    @Test func uuid() {
        let text = "F089354E-8366-4e18-aea3-4cb4a3a50b48"
        check(.string(text), []) { #expect($0.uuid("m") == text.lowercased()) }
        check(.string(text), []) { #expect($0.requiredUUID("m") == text.lowercased()) }
        let wrong = ["must be a UUID such as f089354e-8366-4e18-aea3-4cb4a3a50b48"]
        check("f089354e83664e18aea34cb4a3a50b48", wrong) { #expect($0.uuid("m") == nil) }
        check("../me", wrong) { #expect($0.requiredUUID("m") == nil) }
        check(nil, []) { #expect($0.uuid("m") == nil) }
        check(nil, ["is required"]) { #expect($0.requiredUUID("m") == nil) }
        check(7, ["must be a string, not an integer"]) { #expect($0.uuid("m") == nil) }
    }

    @Test func bool() {
        check(true, []) { #expect($0.bool("m") == true) }
        check(false, []) { #expect($0.bool("m") == false) }
        check(nil, []) { #expect($0.bool("m") == nil) }
        check("true", ["must be true or false, not a string"]) { #expect($0.bool("m") == nil) }
        check(1, ["must be true or false, not an integer"]) { #expect($0.bool("m") == nil) }
        check(.null, ["must not be null; leave it out instead"]) { #expect($0.bool("m") == nil) }
    }

    @Test func choice() {
        let formats = ["PDF", "PPTX", "PNG"]
        check("pdf", []) { #expect($0.choice("m", among: formats) == "PDF") }
        check(nil, []) { #expect($0.choice("m", among: formats) == nil) }
        check(nil, ["is required"]) { #expect($0.requiredChoice("m", among: formats) == nil) }
        check("PPT", [#"must be one of PDF, PPTX, PNG; did you mean "PPTX"?"#]) {
            #expect($0.choice("m", among: formats) == nil)
        }
        check("DOCUMENT", ["must be one of PDF, PPTX, PNG"]) { #expect($0.requiredChoice("m", among: formats) == nil) }
        check(true, ["must be a string, not a boolean"]) { #expect($0.choice("m", among: formats) == nil) }
    }

    @Test func flags() {
        let names = ["originalFiles", "pst", "tags"]
        check("pst, TAGS,pst", []) { #expect($0.flags("m", among: names) == ["pst", "tags"]) }
        check(nil, []) { #expect($0.flags("m", among: names) == nil) }
        check("pst,tag", [#"has "tag", which is not one of originalFiles, pst, tags; did you mean "tags"?"#]) {
            #expect($0.flags("m", among: names) == nil)
        }
        check("pst,", [#"has "", which is not one of originalFiles, pst, tags"#]) {
            #expect($0.flags("m", among: names) == nil)
        }
        check(["pst"], ["must be a string, not an array"]) { #expect($0.flags("m", among: names) == nil) }
    }

    @Test func array() {
        check(["a", 1], []) {
            let elements = $0.array("m")
            #expect(elements?.map(\.value) == ["a", 1])
            #expect(elements?.map(\.pointer) == ["/m/0", "/m/1"])
        }
        check(nil, []) { #expect($0.array("m") == nil) }
        check("a", ["must be an array, not a string"]) { #expect($0.array("m") == nil) }
        check([], ["must have 1 to 2 elements"]) { #expect($0.array("m", count: 1...2) == nil) }
    }

    @Test func nestedObjectsCarryWholePointers() {
        var reader = ObjectReader(["outer": ["in/ner": ["x~y": 1]]], at: "/root")
        var outer = reader.object("outer")
        var inner = outer?.object("in/ner")
        #expect(inner?.string("x~y") == nil)
        inner?.finish()
        outer?.adopt(inner?.faults ?? [])
        outer?.finish()
        reader.adopt(outer?.faults ?? [])
        reader.finish()
        #expect(reader.faults == [FieldFault("/root/outer/in~1ner/x~0y", "must be a string, not an integer")])
    }

    @Test func freeMembersComeSorted() {
        var reader = ObjectReader(["b": 1, "a": .null])
        #expect(reader.takeAllMembers().map(\.name) == ["a", "b"])
        reader.finish()
        #expect(reader.faults.isEmpty)
    }

    @Test func unknownMembersAreRefusedWithASuggestion() {
        var reader = ObjectReader(["Format": "PDF", "pages": 1, "somethingElse": 2])
        _ = reader.string("format")
        #expect(reader.has("pages"))
        #expect(!reader.has("format"))
        reader.finish()
        #expect(
            reader.faults == [
                FieldFault("/Format", #"is not a member here; did you mean "format"?; known are format"#),
                FieldFault("/pages", "is not a member here; known are format"),
                FieldFault("/somethingElse", "is not a member here; known are format"),
            ]
        )
    }

    @Test func everyFaultIsKeptInOrder() {
        var reader = ObjectReader(["a": 1, "b": .null, "z": 0])
        _ = reader.string("a")
        _ = reader.bool("b")
        _ = reader.requiredUUID("c")
        reader.fault("a", "and another")
        reader.finish()
        #expect(reader.faults.map(\.pointer) == ["/a", "/b", "/c", "/a", "/z"])
    }

    @Test func aHostileBodyGivesASmallAnswer() {
        let members = Dictionary(uniqueKeysWithValues: (0..<10_000).map { ("x\($0)", JSONValue.integer(0)) })
        var reader = ObjectReader(.object(members))
        reader.finish()
        #expect(reader.faults.count == 32)
    }

    @Test(arguments: [
        ("formt", "format"), ("FORMAT", "format"), ("pageName", "pageNames"), ("locales", "locale"),
        ("reportLevelFilter", "reportLevelFilters"), ("lcoale", "locale"), ("prot", "port"),
    ])
    func suggestsTheNearestName(_ name: String, _ meant: String) {
        let known = ["format", "pageNames", "locale", "reportLevelFilters", "id", "port"]
        #expect(ObjectReader.suggestion(for: name, among: known) == #"; did you mean "\#(meant)"?"#)
    }

    @Test(arguments: ["", "identities", "xy", String(repeating: "a", count: 10_000)])
    func suggestsNothingFarOff(_ name: String) {
        #expect(ObjectReader.suggestion(for: name, among: ["format", "pageNames", "id"]) == "")
    }

    @Test(arguments: [("a", "/a"), ("a/b", "/a~1b"), ("a~b", "/a~0b"), ("~1", "/~01"), ("", "/"), ("é", "/é")])
    func pointersEscape(_ token: String, _ step: String) {
        #expect(JSONPointer.step(token) == step)
    }

    @Test func faultsMoveBelowAPrefix() {
        #expect(FieldFault("/format", "is wrong").below("/powerBI") == FieldFault("/powerBI/format", "is wrong"))
    }
}
