import ExportLedger
import Exports
import Logging
import Webhooks

/// One page of changes, and what was read and encoded of them for all webhooks.
struct ChangeReading {
    let page: ChangePage
    private let parts: WebhookParts
    /// The exports after the changes, by the changes' positions; nil for one that cannot be read.
    private var exports: [Int64: Export?] = [:]
    /// The bodies by their ids and types.
    private var bodies: [String: [UInt8]] = [:]

    init(_ page: ChangePage, _ parts: WebhookParts) { (self.page, self.parts) = (page, parts) }

    /// What a webhook is told of the changes after a position.
    mutating func messages(for webhook: Webhook, after position: Int64) async throws -> [WebhookMessage] {
        let (selection, now) = (parts.selection(of: webhook), parts.time.now())
        var messages: [WebhookMessage] = []
        /// The ends of exports that are among `messages`.
        var ends: Set<String> = []
        for change in page.changes where change.position > position && selection.mayTake(change) {
            // What is older was missed by a webhook that was off for long.
            guard now - change.time <= parts.settings.retention else { continue }
            let export = try await export(after: change)
            guard selection.takes(export) else { continue }
            for type in selection.types(of: change) {
                let id = type.isAnEnd ? Self.endID(type, change) : nil
                if let id, ends.contains(id) { continue }
                if let id, try await wasTold(id, change, webhook) { continue }
                messages.append(message(type, change, export, id: id, to: webhook, at: now))
                if let id { ends.insert(id) }
                break
            }
        }
        return messages
    }

    /// The id of the message of an export's end: there is one for each kind of end.
    private static func endID(_ type: WebhookEventType, _ change: ExportChange) -> String {
        "\(change.exportID)-\(change.status == .unknown ? "unknown" : change.status.rawValue)"
    }

    /// Whether a webhook was told of the end of an export by an earlier change, as far as its messages are kept. Where a version before
    /// has stored the changes, they do not say with which of them the export ended. And an export may end twice: one that was given up
    /// may be found again.
    private func wasTold(_ id: String, _ change: ExportChange, _ webhook: Webhook) async throws -> Bool {
        do {
            guard let told = try await parts.store.message(id, of: webhook.id) else { return false }
            return told.revision != change.revision
        } catch let error as LedgerError where error.row != nil {
            // It is there, and cannot be read: another one with its id could not be stored.
            return true
        }
    }

    private mutating func export(after change: ExportChange) async throws -> Export? {
        if let known = exports[change.position] { return known }
        let export = try await parts.exports.export(after: change)
        if export == nil {
            parts.logger.error(
                "an export cannot be read: webhooks with filters are not told of its change",
                metadata: ["export": "\(change.exportID)"]
            )
            parts.metrics.missedChange()
        }
        exports[change.position] = .some(export)
        return export
    }

    private mutating func message(
        _ type: WebhookEventType,
        _ change: ExportChange,
        _ export: Export?,
        id: String?,
        to webhook: Webhook,
        at now: Timestamp
    ) -> WebhookMessage {
        var event = CloudEvent(type, change, of: export, base: parts.settings.base)
        if let id { event.id = id }
        let key = "\(type.rawValue) \(event.id)"
        let body = bodies[key] ?? event.encoded()
        bodies[key] = body
        return WebhookMessage(
            webhookID: webhook.id,
            id: event.id,
            exportID: change.exportID,
            type: type,
            time: change.time,
            body: body,
            dueAt: now
        )
    }
}
