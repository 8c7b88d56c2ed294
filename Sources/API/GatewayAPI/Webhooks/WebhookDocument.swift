import Exports
import JSON
import Webhooks

/// Webhooks and their messages as JSON: the schemas `Webhook`, `WebhookList`, `WebhookDelivery`, `WebhookDeliveryList` and
/// `WebhookReplay` of `openapi.yaml`.
struct WebhookDocument {
    let links: Links

    /// The text of one webhook, with its secret where it was just made.
    func bytes(of webhook: Webhook, secret: WebhookSecret? = nil) -> [UInt8] {
        JSONWriter.object { write(webhook, secret, to: &$0) }
    }

    /// The text of a page.
    func bytes(ofPage webhooks: [Webhook], nextCursor: String?) -> [UInt8] {
        JSONWriter.object { writer in
            writer.name("value")
            writer.array(webhooks) { writer, webhook in writer.object { write(webhook, nil, to: &$0) } }
            writer.member("nextCursor", nextCursor)
        }
    }

    private func write(_ webhook: Webhook, _ secret: WebhookSecret?, to writer: inout JSONWriter) {
        writer.member("id", webhook.id.description)
        writer.member("href", links.webhook(webhook.id))
        writer.member("url", webhook.url)
        writer.member("label", webhook.label)
        writer.member("types", .array(webhook.types.sorted().map { .string($0.rawValue) }))
        writer.member("provider", webhook.provider?.rawValue)
        writer.member("connection", webhook.connection)
        writer.member("state", webhook.state.rawValue)
        writer.member("disabledReason", webhook.disabledReason)
        writer.member("createdAt", webhook.createdAt)
        writer.member("updatedAt", webhook.updatedAt)
        writer.member("createdBy", webhook.createdBy)
        writer.member("failingSince", webhook.failingSince)
        writer.member("secret", secret?.reveal())
        writer.member("olderSecretsUntil", webhook.olderSecretsUntil)
    }

    /// The text of one message.
    static func bytes(of message: WebhookMessage) -> [UInt8] { JSONWriter.object { write(message, to: &$0) } }

    /// The text of a page of messages.
    static func bytes(ofMessages messages: [WebhookMessage], nextCursor: String?) -> [UInt8] {
        JSONWriter.object { writer in
            writer.name("value")
            writer.array(messages) { writer, message in writer.object { write(message, to: &$0) } }
            writer.member("nextCursor", nextCursor)
        }
    }

    /// The text about messages that are sent again.
    static func bytes(ofReplayed count: Int) -> [UInt8] {
        JSONWriter.object { $0.member("replayed", .integer(Int64(count))) }
    }

    private static func write(_ message: WebhookMessage, to writer: inout JSONWriter) {
        writer.member("id", message.id)
        writer.member("type", message.type.rawValue)
        writer.member("exportId", message.exportID?.description)
        writer.member("time", message.time)
        writer.member("state", message.state.rawValue)
        writer.member("attempts", .integer(Int64(message.attempts)))
        writer.member("nextAttemptAt", message.state == .pending ? message.dueAt : nil)
        writer.member("lastAttemptAt", message.lastAttemptAt)
        writer.member("lastStatus", message.lastStatus.map { .integer(Int64($0)) })
        writer.member("lastError", message.lastError)
    }
}
