import Exports
import SystemCrypto
import Testing

@testable import Webhooks

@Suite struct WebhookSecretTests {
    /// The secret of the tests of the standard's own libraries, 24 bytes.
    static let known = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    static func secret(_ byte: UInt8) -> WebhookSecret { WebhookSecret { [UInt8](repeating: byte, count: $0) } }

    @Test func aNewSecretHasThirtyTwoBytesOfTheRandomnessHandedIn() throws {
        let secret = Self.secret(7)
        #expect(secret.reveal() == "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")
        #expect(try WebhookSecret(secret.reveal()) == secret)
        #expect(WebhookSecret(random: randomBytes) != WebhookSecret(random: randomBytes))
    }

    @Test func theTextIsReadWithAndWithoutPadding() throws {
        #expect(try WebhookSecret(Self.known).reveal() == Self.known)
        #expect(try WebhookSecret("whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc") == Self.secret(7))
    }

    @Test(arguments: [24, 25, 26, 63, 64])
    func everyLengthOfTheStandardIsTaken(count: Int) throws {
        let secret = try WebhookSecret(bytes: [UInt8](repeating: 0xFF, count: count))
        #expect(try WebhookSecret(secret.reveal()).bytes.count == count)
    }

    static let refused: [(String, WebhookSecret.Fault)] = [
        ("", .noPrefix),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", .noPrefix),
        ("WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", .noPrefix),
        ("whsec_", .wrongLength(bytes: 0)),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", .notBase64 /* 22.5 bytes, spare bits set */),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaA=", .wrongLength(bytes: 23)),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", .notBase64),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw====", .notBase64),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-", .notBase64),
        ("whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", .notBase64),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", .notBase64),
        ("whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwd=", .notBase64),
        ("whsec_" + String(repeating: "AAAA", count: 22), .wrongLength(bytes: 66)),
    ]

    @Test(arguments: refused)
    func anythingElseIsRefusedWithItsReason(text: String, fault: WebhookSecret.Fault) {
        #expect(throws: fault) { try WebhookSecret(text) }
    }

    @Test func itIsNeverPrinted() throws {
        let secret = try WebhookSecret(Self.known)
        let secrets = WebhookSecrets(secret).rotated(to: Self.secret(1))
        for value in [secret, secrets, [secret], ["k": secrets], Optional(secret) as Any] as [Any] {
            var dumped = ""
            dump(value, to: &dumped)
            for text in ["\(value)", String(reflecting: value), dumped] {
                #expect(text.contains("<redacted>"))
                #expect(!text.contains("MfKQ9") && !text.contains("49, 242"))
            }
        }
        #expect(!((secret as Any) is any Encodable))
    }
}

@Suite struct WebhookSecretsTests {
    private let id = ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")!
    private let other = ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120003")!
    private let keys = try! SealingKeys(current: "a", keys: ["a": [UInt8](repeating: 1, count: 32)])
    private let now = Timestamp(milliseconds: 1_000_000)

    private func secret(_ byte: UInt8) -> WebhookSecret { WebhookSecretTests.secret(byte) }

    @Test func aRotationKeepsTheOlderOnesLatestFirstUpToALimit() {
        var secrets = WebhookSecrets(secret(0))
        for byte in UInt8(1)...5 { secrets = secrets.rotated(to: secret(byte)) }
        #expect(secrets.current == secret(5))
        #expect(secrets.older == [secret(4), secret(3), secret(2)])
        #expect(secrets.withoutOlder.older.isEmpty)
        #expect(secrets.withoutOlder.current == secret(5))
    }

    @Test func aRotationToAnOlderSecretDoesNotKeepItTwice() {
        let secrets = WebhookSecrets(secret(0)).rotated(to: secret(1)).rotated(to: secret(0))
        #expect(secrets.current == secret(0) && secrets.older == [secret(1)])
    }

    @Test func theOlderOnesSignUntilTheirTime() {
        let secrets = WebhookSecrets(secret(0)).rotated(to: secret(1))
        #expect(secrets.signing(at: now, olderUntil: now + .milliseconds(1)) == [secret(1), secret(0)])
        #expect(secrets.signing(at: now, olderUntil: now) == [secret(1)])
        #expect(secrets.signing(at: now, olderUntil: nil) == [secret(1)])
    }

    @Test func theyOpenForTheirWebhookOnly() throws {
        let secrets = WebhookSecrets(try WebhookSecret(WebhookSecretTests.known)).rotated(to: secret(3))
        let sealed = try secrets.sealed(for: id, with: keys)
        #expect(try WebhookSecrets(opening: sealed, of: id, with: keys) == secrets)
        let error = #expect(throws: CryptoError.self) { try WebhookSecrets(opening: sealed, of: other, with: keys) }
        #expect(error?.code == .notAuthentic)
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(throws: CryptoError.self) { try WebhookSecrets(opening: changed, of: id, with: keys) }
        }
    }

    static let malformed: [[UInt8]] = [
        [], [1], [2, 24] + [UInt8](repeating: 0, count: 24), [1, 24] + [UInt8](repeating: 0, count: 23),
        [1, 23] + [UInt8](repeating: 0, count: 23), [1, 24] + [UInt8](repeating: 0, count: 25),
        [1] + Array(repeatElement([24] + [UInt8](repeating: 0, count: 24), count: 5).joined()),
    ]

    @Test(arguments: malformed)
    func anotherPackingIsMalformed(packed: [UInt8]) throws {
        let sealed = try keys.seal(packed, context: Array("webhook-secrets \(id)".utf8))
        let error = #expect(throws: CryptoError.self) { try WebhookSecrets(opening: sealed, of: id, with: keys) }
        #expect(error?.code == .malformed)
    }
}
