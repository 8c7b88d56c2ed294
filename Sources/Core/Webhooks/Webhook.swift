public import Exports

/// A target to which events are sent.
public struct Webhook: Sendable, Hashable {
    /// Whether events are sent.
    public enum State: String, Sendable, Hashable, CaseIterable {
        case enabled
        /// Its owner has switched it off.
        case disabled
        /// The gateway has switched it off: see `disabledReason`.
        case disabledByGateway
    }

    /// UUIDv7.
    public var id: ExportID
    /// The caller who made it. It gets the events of the exports that this caller may see.
    public var createdBy: String
    /// Whether that caller could see every export when it was made, or changed last.
    public var seesAll: Bool
    /// Counts changes by callers; the entity tag is made of it.
    public var revision: Int64
    public var url: String
    public var label: String?
    /// Which events are sent.
    public var types: Set<WebhookEventType>
    /// Only events of exports of this provider; nil for all.
    public var provider: ProviderID?
    /// Only events of exports of this connection; nil for all.
    public var connection: String?
    public var state: State
    /// Why the gateway has switched it off: a closed code, no free text.
    public var disabledReason: String?
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    /// Since when no attempt has succeeded; nil after a success.
    public var failingSince: Timestamp?
    /// The signing secrets, the current one first, sealed as one text.
    public var sealedSecrets: [UInt8]
    /// When the secrets but the first are not used any more; nil where there is one.
    public var olderSecretsUntil: Timestamp?
    /// Changes of exports up to this number have become messages.
    public var position: Int64

    /// Makes an enabled webhook.
    public init(
        id: ExportID,
        createdBy: String,
        seesAll: Bool,
        url: String,
        label: String?,
        types: Set<WebhookEventType>,
        provider: ProviderID?,
        connection: String?,
        createdAt: Timestamp,
        sealedSecrets: [UInt8],
        position: Int64
    ) {
        self.id = id
        self.createdBy = createdBy
        self.seesAll = seesAll
        revision = 1
        self.url = url
        self.label = label
        self.types = types
        self.provider = provider
        self.connection = connection
        state = .enabled
        self.createdAt = createdAt
        updatedAt = createdAt
        self.sealedSecrets = sealedSecrets
        self.position = position
    }
}

/// The types of events. The raw value is CloudEvents' `type`.
public enum WebhookEventType: String, Sendable, Hashable, CaseIterable, Comparable {
    case created = "export.created"
    /// Status, progress or notice changed.
    case updated = "export.updated"
    case succeeded = "export.succeeded"
    case partiallySucceeded = "export.partiallySucceeded"
    case failed = "export.failed"
    case canceled = "export.canceled"
    /// The files expire soon, and were not delivered yet.
    case expiring = "export.expiring"
    case expired = "export.expired"
    /// Sent when its owner asks for it.
    case test = "webhook.test"
    /// The gateway has switched the webhook off. It is the last event before that.
    case disabled = "webhook.disabled"

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// One event for one webhook, with the state of its sending.
public struct WebhookMessage: Sendable, Hashable {
    /// The state of the sending.
    public enum State: String, Sendable, Hashable, CaseIterable {
        case pending
        case delivered
        /// It was given up.
        case failed
    }

    public var webhookID: ExportID
    /// The same in every attempt, also after a replay: `webhook-id`, and CloudEvents' `id`. Unique for a webhook. At most 64 bytes.
    public var id: String
    /// The order: messages of one export are sent by this number, each after the one before was delivered or given up. Given out when
    /// the message is stored; 0 before.
    public var number: Int64
    /// Nil for events of the webhook itself.
    public var exportID: ExportID?
    public var type: WebhookEventType
    public var time: Timestamp
    /// The body that is sent: a CloudEvent in JSON.
    public var body: [UInt8]
    public var state: State
    public var attempts: Int
    /// When it is due; nil when it is not pending.
    public var dueAt: Timestamp?
    /// Of the last attempt; nil before the first.
    public var lastAttemptAt: Timestamp?
    /// The status of the last answer; nil where none came.
    public var lastStatus: Int?
    /// Why the last attempt failed: a closed code, no free text.
    public var lastError: String?

    /// Makes a message that is due at once.
    public init(
        webhookID: ExportID,
        id: String,
        exportID: ExportID?,
        type: WebhookEventType,
        time: Timestamp,
        body: [UInt8],
        dueAt: Timestamp
    ) {
        self.webhookID = webhookID
        self.id = id
        number = 0
        self.exportID = exportID
        self.type = type
        self.time = time
        self.body = body
        state = .pending
        attempts = 0
        self.dueAt = dueAt
    }
}
