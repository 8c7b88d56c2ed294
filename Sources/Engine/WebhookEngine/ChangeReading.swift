import ExportLedger
import Exports
import Logging
import Webhooks

/// One page of changes, and what was read and encoded of them for all webhooks.
struct ChangeReading {
    let page: ChangePage
    private let parts: WebhookParts
    /// What a change is about.
    private enum Subject {
        case export(Export)
        /// It was purged since. A webhook that was off is told of the change all the same.
        case purged(ExportTombstone)
        case unreadable

        /// What gives a message what never changes; nil where only the change is left.
        var export: Export? { if case .export(let export) = self { export } else { nil } }

        func isTaken(by selection: WebhookSelection) -> Bool {
            switch self {
            case .export(let export): selection.takes(export)
            case .purged(let tombstone): selection.takes(tombstone)
            case .unreadable: selection.takes(Export?.none)
            }
        }
    }

    /// The exports after the changes, by the changes' positions.
    private var subjects: [Int64: Subject] = [:]
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
            let subject = try await subject(of: change)
            guard subject.isTaken(by: selection) else { continue }
            let export = subject.export
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

    private mutating func subject(of change: ExportChange) async throws -> Subject {
        if let known = subjects[change.position] { return known }
        let subject = try await readSubject(of: change)
        subjects[change.position] = subject
        return subject
    }

    private func readSubject(of change: ExportChange) async throws(GatewayError) -> Subject {
        do throws(GatewayError) {
            if let export = try await parts.exports.export(after: change) { return .export(export) }
        } catch {
            guard let tombstone = error.tombstone else { throw error }
            return .purged(tombstone)
        }
        parts.logger.error(
            "an export cannot be read: webhooks with filters are not told of its change",
            metadata: ["export": "\(change.exportID)"]
        )
        parts.metrics.missedChange()
        return .unreadable
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
