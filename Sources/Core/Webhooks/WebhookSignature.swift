#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif
public import Exports
import SystemCrypto

/// The signature of a message, as in Standard Webhooks, version 1: HMAC with SHA-256
/// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme).
public enum WebhookSignature {
    /// The fields `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    ///
    /// - Parameters:
    ///   - id: The message's id, the same in every attempt. It has no full stop in it, because that separates what is signed; the
    ///     ids of ``CloudEvent`` have none.
    ///   - time: The time of the attempt. Receivers refuse one that is minutes old, so each attempt has a signature of its own.
    ///   - body: The body, byte for byte as it is sent.
    ///   - secrets: Gives one signature each, in this order. Not empty.
    public static func fields(
        id: String,
        at time: Timestamp,
        body: [UInt8],
        secrets: [WebhookSecret]
    ) -> [(name: String, value: String)] {
        precondition(!secrets.isEmpty, "a message is signed with one secret at least")
        precondition(!id.utf8.contains(UInt8(ascii: ".")), "a full stop in the id of a webhook message")
        // The whole seconds that have passed, before 1970 too.
        let seconds = (time.milliseconds - (time.milliseconds % 1000 + 1000) % 1000) / 1000
        let signed = Array("\(id).\(seconds).".utf8) + body
        let signatures = secrets.map { secret in
            "v1," + Data(HMACSHA256.authenticationCode(for: signed, key: secret.bytes)).base64EncodedString()
        }
        return [
            ("webhook-id", id),
            ("webhook-timestamp", String(seconds)),
            ("webhook-signature", signatures.joined(separator: " ")),
        ]
    }
}

extension WebhookRequest {
    /// Makes one attempt to send `message` to `webhook`, signed for this time.
    ///
    /// - Parameters:
    ///   - secrets: Those of the webhook; the older ones are used until `Webhook.olderSecretsUntil`.
    ///   - userAgent: The field `user-agent`, such as `export-gateway/1.0`.
    public init(
        _ message: WebhookMessage,
        to webhook: Webhook,
        secrets: WebhookSecrets,
        at now: Timestamp,
        userAgent: String
    ) {
        let signature = WebhookSignature.fields(
            id: message.id,
            at: now,
            body: message.body,
            secrets: secrets.signing(at: now, olderUntil: webhook.olderSecretsUntil)
        )
        self.init(
            url: webhook.url,
            fields: [("content-type", CloudEvent.mediaType), ("user-agent", userAgent)] + signature,
            body: message.body
        )
    }
}
