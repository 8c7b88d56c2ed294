import Exports
import Webhooks

/// Which changes a webhook is told of, and as what. No I/O.
struct WebhookSelection: Sendable {
    let webhook: Webhook
    /// Whether its owner sees the exports of all callers now.
    let seesAll: Bool

    /// Whether it may be told of a change, as far as the change alone says it.
    func mayTake(_ change: ExportChange) -> Bool {
        (seesAll || change.createdBy == webhook.createdBy) && !types(of: change).isEmpty
    }

    /// Whether a message may be sent to it that was stored when its owner perhaps saw more.
    func maySend(_ message: WebhookMessage) -> Bool {
        message.isVisible(to: webhook.createdBy, seesAll: seesAll)
    }

    /// Whether it is told of the changes of an export. Nil is an export that cannot be read: whether a filter takes it is not known.
    func takes(_ export: Export?) -> Bool { takes(export?.provider, export?.connection) }

    /// The same for an export that was purged.
    func takes(_ tombstone: ExportTombstone) -> Bool { takes(tombstone.provider, tombstone.connection) }

    private func takes(_ provider: ProviderID?, _ connection: String?) -> Bool {
        if let wanted = webhook.provider, wanted != provider { return false }
        if let wanted = webhook.connection, wanted != connection { return false }
        return true
    }

    /// As what it may be told of a change: the first of these of which it was not told yet. The end of an export is told of the change
    /// with which it ended; what changes afterwards, such as the size of a file, is an update.
    /// That an export was purged is told to no webhook.
    func types(of change: ExportChange) -> [WebhookEventType] {
        if change.isPurge { return [] }
        let own: [WebhookEventType] =
            if change.revision == 1 {
                [.created]
            } else if change.ends != false, let end = WebhookEventType(endOf: change) {
                [end, .updated]
            } else {
                [.updated]
            }
        return own.filter(webhook.types.contains)
    }
}

extension WebhookEventType {
    /// The end of an export that a change may be; nil where the export goes on.
    init?(endOf change: ExportChange) {
        switch change.status {
        case .succeeded: self = .succeeded
        case .partiallySucceeded: self = .partiallySucceeded
        case .failed: self = .failed
        case .canceled: self = .canceled
        case .expired: self = .expired
        // It was given up. An operator may decide otherwise later.
        case .unknown where change.isFinal: self = .failed
        case .notStarted, .running, .unknown: return nil
        }
    }

    /// Whether an export has one such event only.
    var isAnEnd: Bool {
        switch self {
        case .succeeded, .partiallySucceeded, .failed, .canceled, .expired: true
        case .created, .updated, .expiring, .test, .disabled: false
        }
    }
}
