public import Exports
public import SystemCrypto

/// The secrets of one webhook. It never prints them.
///
/// After a rotation, messages are signed with the older secrets too until `Webhook.olderSecretsUntil`, so that a receiver can
/// change its own when it likes.
public struct WebhookSecrets: Sendable, Hashable {
    /// The largest number of older secrets: each is one more signature in each message.
    public static let maxOlder = 3
    private static let version: UInt8 = 1

    public let current: WebhookSecret
    /// The secrets before the current one, the latest first.
    public let older: [WebhookSecret]

    /// Makes the secrets of a new webhook.
    public init(_ current: WebhookSecret) {
        self.current = current
        older = []
    }

    private init(current: WebhookSecret, older: [WebhookSecret]) {
        self.current = current
        self.older = older
    }

    /// With `new` as the current secret, and the present one as an older one. Where there are more than ``maxOlder`` then, the oldest
    /// is dropped.
    public func rotated(to new: WebhookSecret) -> WebhookSecrets {
        let previous = ([current] + older).filter { $0 != new }
        return WebhookSecrets(current: new, older: Array(previous.prefix(Self.maxOlder)))
    }

    /// The current secret alone.
    public var withoutOlder: WebhookSecrets { WebhookSecrets(current) }

    /// What a message is signed with at a time: the current secret first, then the older ones, if they are still in use.
    ///
    /// - Parameter olderUntil: `Webhook.olderSecretsUntil`.
    public func signing(at now: Timestamp, olderUntil: Timestamp?) -> [WebhookSecret] {
        guard let olderUntil, now < olderUntil else { return [current] }
        return [current] + older
    }
}

extension WebhookSecrets {
    /// Encrypts the secrets: the text for `Webhook.sealedSecrets`. It opens for this webhook only.
    public func sealed(for webhookID: ExportID, with keys: SealingKeys) throws(CryptoError) -> [UInt8] {
        let packed = ([current] + older)
            .reduce(into: [Self.version]) { packed, secret in
                packed.append(UInt8(secret.bytes.count))
                packed += secret.bytes
            }
        return try keys.seal(packed, context: Self.context(webhookID))
    }

    /// Decrypts what ``sealed(for:with:)`` made. Throws what `SealingKeys.open` throws, and `malformed` for a text that a later version
    /// of the program may have made.
    public init(opening sealed: [UInt8], of webhookID: ExportID, with keys: SealingKeys) throws(CryptoError) {
        let malformed = CryptoError(code: .malformed, subject: "webhook secrets", reason: "")
        var rest = try keys.open(sealed, context: Self.context(webhookID))[...]
        guard rest.popFirst() == Self.version else { throw malformed }
        var secrets: [WebhookSecret] = []
        while let count = rest.popFirst() {
            guard rest.count >= count, let secret = try? WebhookSecret(bytes: Array(rest.prefix(Int(count)))) else {
                throw malformed
            }
            secrets.append(secret)
            rest = rest.dropFirst(Int(count))
        }
        guard (1...1 + Self.maxOlder).contains(secrets.count) else { throw malformed }
        self.init(current: secrets[0], older: Array(secrets.dropFirst()))
    }

    private static func context(_ webhookID: ExportID) -> [UInt8] { Array("webhook-secrets \(webhookID)".utf8) }
}

extension WebhookSecrets: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
