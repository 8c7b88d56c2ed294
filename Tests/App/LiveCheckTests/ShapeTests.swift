import JSON
import Testing
import UpstreamHTTP

@testable import LiveCheck

@Suite struct ShapeTests {
    @Test(arguments: [
        ("name", true), ("resourceFileExtension", true), ("@odata.type", true), ("@microsoft.graph.tips", true),
        ("part2", true),
        ("", false), ("7f3a", false), ("user12", false), ("anna.smith", false), ("two words", false), ("Größe", false),
        ("@odata.", false), ("dQwCgXAbCdEfGhIjKlMn", false), ("ABCDEF", false),
        (String(repeating: "a", count: 41), false),
        ("b0073e4e-4184-41c6-9eb7-8c8cc3e2288b", false),
    ])
    func onlyNamesOfASchemaAreShown(name: String, isShown: Bool) {
        #expect(SchemaName.isPlausible(name) == isShown)
    }

    @Test func otherMembersAreNamedAndCountedInBounds() {
        var members: [String: JSONValue] = ["id": "x", "comment": "known"]
        for letter in "abcdefghijklmnopqrstuvwxyz" { members["extra\(letter)"] = .string("value of \(letter)") }
        members["user-7"] = "somebody"
        let shape = AnswerShape(Sample.answer(.object(members)), Sample.calls)
        #expect(shape.otherMembers.count == SchemaName.most)
        #expect(shape.otherMembers.first == "extraa")
        #expect(shape.unnamedMembers == 26 - SchemaName.most + 1)
    }

    @Test func membersOfUnknownObjectsAreNotRead() {
        let body: JSONValue = ["id": "x", "people": ["anna": 1, "berta": 2]]
        #expect(AnswerShape(Sample.answer(body), Sample.calls).otherMembers == ["people"])
    }

    @Test func shapesAreBounded() {
        let log = AnswerLog([Sample.calls])
        for status in 100..<300 { log.received(Sample.answer(nil, status: status), to: "sample.status") }
        let answers = log.answers(to: "sample.status")
        #expect(answers.shapes.count == AnswerLog.mostShapes)
        #expect(answers.leftOut == 200 - AnswerLog.mostShapes)
    }

    @Test func callsThatNobodyExpectsAreNotCollected() {
        let log = AnswerLog([Sample.calls])
        log.received(Sample.answer(Sample.done), to: "sample.other")
        #expect(log.answers(to: "sample.other").shapes.isEmpty)
    }

    private static let forms: [(JSONValue, ValueForm)] = [
        ("", .emptyText), ("a", .text), ("https://example.com/x", .link), ("2026-06-01T10:00:00.1234567Z", .date),
        ("0001-01-01T00:00:00Z", .unsetDate), (1, .integer), (.number(0.5), .number), (true, .boolean), (.null, .null),
        ([], .array), (.object([:]), .object),
    ]

    @Test(arguments: forms) func everyValueHasAForm(value: JSONValue, form: ValueForm) {
        #expect(ValueForm(value) == form)
    }

    private static let fields: [(String, Set<HeaderForm>)] = [
        ("\"https://h/a('b')\"", [.quoted, .address, .keyInParentheses, .strongTag]), ("https://h/a", [.address]),
        ("12", [.wholeNumber]), ("2.128", []), ("bytes", [.bytes]), ("W/\"a\"", []),
    ]

    @Test(arguments: fields) func headerFieldsHaveForms(value: String, forms: Set<HeaderForm>) {
        #expect(HeaderForm.all(of: value) == forms)
    }
}
