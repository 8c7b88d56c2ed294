import Exports
import JSON
import Testing

@Suite struct SecretTests {
    private struct Holder {
        var name = "holder"
        var secret: Secret
        var more: [String: Secret?]
    }

    private let secret = Secret("eyJ-very-secret")

    @Test func neverPrintsItself() {
        let holder = Holder(secret: secret, more: ["a": secret, "b": nil])
        var dumped = ""
        dump(holder, to: &dumped)
        let texts = [
            secret.description, secret.debugDescription, "\(secret)", "\(holder)", "\([secret])",
            String(reflecting: secret), String(reflecting: holder), String(describing: Optional(secret)), dumped,
            "\(Set([secret]))", "\(["k": secret])", "\(secret as Any)",
        ]
        for text in texts {
            #expect(!text.contains("very-secret"))
            #expect(text.contains("<redacted>"))
        }
    }

    @Test func mirrorShowsNothing() {
        #expect(Mirror(reflecting: secret).children.isEmpty)
        #expect(Mirror(reflecting: secret).descendant("value") == nil)
    }

    @Test func cannotBeEncoded() {
        #expect(!((secret as Any) is any Encodable))
        #expect(!((secret as Any) is any Decodable))
        #expect(!((secret as Any) is any CustomPlaygroundDisplayConvertible))
    }

    @Test func canBeUsedByItsOwner() {
        #expect(secret.reveal() == "eyJ-very-secret")
        #expect(secret == Secret("eyJ-very-secret"))
        #expect(secret != Secret("eyJ-very-secreT"))
        #expect(Secret("").isEmpty)
        #expect(!secret.isEmpty)
    }

    @Test func keysDoNotPrintThemselvesEither() {
        let key = SecretBytes([107, 101, 121])
        struct Settings { let key: SecretBytes }
        var dumped = ""
        dump(Settings(key: key), to: &dumped)
        for text in ["\(key)", String(reflecting: key), "\(Settings(key: key))", "\([key])", dumped] {
            #expect(text.contains("<redacted>") && !text.contains("107"))
        }
        #expect(Mirror(reflecting: key).children.isEmpty)
        #expect(key.reveal() == [107, 101, 121] && key == SecretBytes([107, 101, 121]))
        #expect(!((key as Any) is any Encodable))
    }

    @Test func draftsDoNotPrintTheirOptions() {
        let draft = ExportDraft(
            provider: ProviderID("p"),
            options: ["sas": "very-secret"]
        )
        var dumped = ""
        dump(draft, to: &dumped)
        for text in ["\(draft)", String(reflecting: draft), "\([draft])", dumped] {
            #expect(!text.contains("very-secret"))
        }
    }

    @Test func contextsAndPlansDoNotPrintThemEither() {
        let context = CallContext(requestID: "r", authorization: secret, downloadAuthorization: secret)
        let brought = Viewer(.anonymous, token: secret, downloadToken: secret)
        let validated = ValidatedExport(
            plan: ExportPlan(source: [:], suggestedName: "n"),
            secrets: ["/containerSasUri": secret]
        )
        for value in [context, brought, validated] as [Any] {
            var dumped = ""
            dump(value, to: &dumped)
            for text in ["\(value)", String(reflecting: value), dumped] { #expect(!text.contains("very-secret")) }
        }
    }
}
