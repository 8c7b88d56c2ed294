public import Exports
import JSON

/// An event as the JSON of CloudEvents 1.0, in the structured mode: the body of a webhook message
/// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md).
public struct CloudEvent: Sendable, Hashable {
    /// The media type of ``encoded()``.
    public static let mediaType = "application/cloudevents+json"

    /// Unique for its source. It is the message's id too, has no full stop, and at most 64 bytes.
    public var id: String
    /// What the event is about: a URI-reference, absolute where the gateway's address is known.
    public var source: String
    public var type: WebhookEventType
    /// The id of the export or of the webhook.
    public var subject: String
    /// When it happened.
    public var time: Timestamp
    /// A JSON text.
    public var data: [UInt8]

    /// Makes an event.
    ///
    /// - Parameters:
    ///   - base: The gateway's address without a slash at its end, as it is configured; nil where none is.
    ///   - collection: `exports` or `webhooks`.
    private init(
        id: String,
        base: String?,
        collection: String,
        type: WebhookEventType,
        subject: ExportID,
        time: Timestamp,
        data: (inout JSONWriter) -> Void
    ) {
        self.id = id
        source = "\(base ?? "")/\(collection)"
        self.type = type
        self.subject = subject.description
        self.time = time
        self.data = JSONWriter.object { writer in
            writer.member("id", subject.description)
            writer.member("href", base.map { "\($0)/\(collection)/\(subject)" })
            data(&writer)
        }
    }

    /// The JSON text.
    public func encoded() -> [UInt8] {
        JSONWriter.object(reserving: data.count + 320) { writer in
            writer.member("specversion", "1.0")
            writer.member("id", id)
            writer.member("source", source)
            writer.member("type", type.rawValue)
            writer.member("subject", subject)
            writer.member("time", time.description)
            writer.member("datacontenttype", "application/json")
            writer.name("data")
            writer.text(data)
        }
    }
}

extension CloudEvent {
    /// An event of an export that was created or has changed. Equal changes give equal events.
    ///
    /// - Parameters:
    ///   - type: What the change is for webhooks.
    ///   - export: The export after the change, or after a later one; nil where it cannot be read. It gives what never changes: the
    ///     provider, the connection, the name and the time of creation.
    ///   - base: The gateway's address without a slash at its end, as it is configured; nil where none is.
    public init(_ type: WebhookEventType, _ change: ExportChange, of export: Export?, base: String?) {
        self.init(
            id: "\(change.exportID)-\(change.revision)",
            base: base,
            collection: "exports",
            type: type,
            subject: change.exportID,
            time: change.time
        ) { writer in
            writer.constants(of: export)
            writer.member("status", change.status.rawValue)
            writer.member("percentComplete", change.percentComplete.map { .integer(Int64(min(max($0, 0), 100))) })
            writer.member("createdAt", export?.createdAt.description)
            writer.member("updatedAt", change.time.description)
            writer.member("createdBy", change.createdBy)
            writer.member("ended", change.isFinal ? .bool(true) : nil)
            writer.member("code", change.code?.rawValue)
            writer.member("revision", .integer(change.revision))
        }
    }

    /// `export.expiring`: the files of an export expire soon. Only one such event has an export, for each time of expiry.
    ///
    /// - Parameters:
    ///   - expiresAt: When the upstream stops keeping the files.
    ///   - now: The time of the event.
    ///   - base: The gateway's address without a slash at its end, as it is configured; nil where none is.
    public init(expiring export: Export, at expiresAt: Timestamp, now: Timestamp, base: String?) {
        self.init(
            id: "\(export.id)-e\(expiresAt.milliseconds)",
            base: base,
            collection: "exports",
            type: .expiring,
            subject: export.id,
            time: now
        ) { writer in
            writer.constants(of: export)
            writer.member("status", export.status.rawValue)
            writer.member("createdAt", export.createdAt.description)
            writer.member("updatedAt", export.updatedAt.description)
            writer.member("expiresAt", expiresAt.description)
            writer.member("createdBy", export.createdBy)
            writer.member("ended", export.isFinal ? .bool(true) : nil)
            writer.member("revision", .integer(export.revision))
        }
    }

    /// `webhook.test`.
    ///
    /// - Parameters:
    ///   - id: New, so that each test is a message of its own.
    ///   - now: The time of the event.
    ///   - base: The gateway's address without a slash at its end, as it is configured; nil where none is.
    public init(testOf webhook: Webhook, id: ExportID, now: Timestamp, base: String?) {
        self.init(
            id: id.description,
            base: base,
            collection: "webhooks",
            type: .test,
            subject: webhook.id,
            time: now
        ) { writer in
            writer.member("label", webhook.label)
        }
    }

    /// `webhook.disabled`.
    ///
    /// - Parameters:
    ///   - id: New, because a webhook may be switched off several times.
    ///   - webhook: With `disabledReason` and `failingSince`.
    ///   - now: The time of the event.
    ///   - base: The gateway's address without a slash at its end, as it is configured; nil where none is.
    public init(disabled webhook: Webhook, id: ExportID, now: Timestamp, base: String?) {
        self.init(
            id: id.description,
            base: base,
            collection: "webhooks",
            type: .disabled,
            subject: webhook.id,
            time: now
        ) { writer in
            writer.member("label", webhook.label)
            writer.member("reason", webhook.disabledReason)
            writer.member("failingSince", webhook.failingSince?.description)
        }
    }
}

extension JSONWriter {
    /// Writes what an export has from its beginning, under the names of `Export` in `openapi.yaml`.
    fileprivate mutating func constants(of export: Export?) {
        member("provider", export?.provider.rawValue)
        member("connection", export?.connection)
        member("name", export?.name)
    }
}
