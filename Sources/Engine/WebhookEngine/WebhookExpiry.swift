import ExportLedger
import Exports
import Synchronization
import Webhooks

/// Makes `export.expiring` messages: of successes whose files expire soon and were not all downloaded. Each export has one for each
/// webhook and time of expiry.
final class WebhookExpiry: Sendable {
    /// The most exports that are read at once.
    static let pageSize = 200
    /// How soon it looks again at first where something has to wait.
    private static let shortest = Duration.seconds(5)
    /// So long ago an export has changed at least that is told: the change is then among those that webhooks have followed.
    private static let settling = Duration.seconds(5)

    private let parts: WebhookParts
    private let told = Mutex(ToldExpiries())

    init(_ parts: WebhookParts) { self.parts = parts }

    /// Looks every few minutes until the task is cancelled.
    func run() async {
        let lead = parts.settings.expiryLead
        let interval = min(max(lead / 24, Self.shortest), .seconds(300))
        var retry = Self.shortest
        while !Task.isCancelled {
            do {
                let isComplete = try await tell()
                try await parts.time.sleep(for: isComplete ? interval : min(retry, interval))
                retry = isComplete ? Self.shortest : min(retry * 2, interval)
            } catch {
                await parts.rest(after: error, "looking for files that expire")
            }
        }
    }

    /// Tells of all files that expire within the lead time. False where something has to wait: `export.expiring` comes after the
    /// messages of what the export was before.
    func tell() async throws -> Bool {
        let now = parts.time.now()
        let last = try await parts.exports.changeRange().last
        var webhooks: [Webhook] = []
        var isComplete = true
        try await parts.forEachPage { page in
            for webhook in page where webhook.state == .enabled && webhook.types.contains(.expiring) {
                // One with too many pending messages is told when it has fewer.
                guard parts.backlogs.count(of: webhook.id) < parts.settings.pendingLimit else { continue }
                guard parts.progress.hasFollowed(webhook, to: last) else {
                    isComplete = false
                    continue
                }
                webhooks.append(webhook)
            }
        }
        guard !webhooks.isEmpty else { return isComplete }
        var after: (expiry: Timestamp, id: ExportID)?
        repeat {
            let ids = try await parts.store.expiringUndelivered(
                now: now,
                by: now + parts.settings.expiryLead,
                after: after,
                limit: Self.pageSize
            )
            after = try await tell(ids, to: webhooks, at: now, &isComplete)
            if ids.count < Self.pageSize { after = nil }
        } while after != nil
        told.withLock { $0.drop(before: now) }
        return isComplete
    }

    /// Returns the last one that could be read, after which the next page begins.
    private func tell(
        _ ids: [ExportID],
        to webhooks: [Webhook],
        at now: Timestamp,
        _ isComplete: inout Bool
    ) async throws -> (expiry: Timestamp, id: ExportID)? {
        var last: (expiry: Timestamp, id: ExportID)?
        var expiring: [(export: Export, at: Timestamp)] = []
        for id in ids {
            let export: Export
            do throws(GatewayError) {
                export = try await parts.exports.presentExport(id, for: .gateway)
            } catch {
                // One that cannot be read keeps no other one waiting. The ledger has logged it.
                guard error.code == .internalError || error.code == .notFound else { throw error }
                continue
            }
            guard let expiry = export.expiresAt else { continue }
            last = (expiry, id)
            guard export.status.hasResult else { continue }
            if now - export.updatedAt >= Self.settling { expiring.append((export, expiry)) } else { isComplete = false }
        }
        for webhook in webhooks {
            let selection = parts.selection(of: webhook)
            let new = told.withLock { told in
                expiring.filter { !told.contains($0.export.id, at: $0.at, to: webhook) && selection.maySee($0.export) }
            }
            guard !new.isEmpty else { continue }
            let messages = new.map { message(of: $0.export, at: $0.at, to: webhook, now: now) }
            if try await parts.store.add(messages, to: webhook.id, position: nil) { parts.due.fire() }
            told.withLock { told in for (export, expiry) in new { told.insert(export.id, at: expiry, to: webhook) } }
        }
        return last
    }

    private func message(
        of export: Export,
        at expiry: Timestamp,
        to webhook: Webhook,
        now: Timestamp
    ) -> WebhookMessage {
        let event = CloudEvent(expiring: export, at: expiry, now: now, base: parts.settings.base)
        return WebhookMessage(
            webhookID: webhook.id,
            id: event.id,
            exportID: export.id,
            type: .expiring,
            time: now,
            body: event.encoded(),
            dueAt: now
        )
    }
}

/// Which webhooks were told of which expiries by this process. What is dropped is told again, which stores nothing as long as the
/// message is kept. No I/O.
struct ToldExpiries {
    /// The most that are known.
    static let limit = 100_000

    private struct Key: Hashable {
        var webhook: ExportID
        var export: ExportID
    }

    private var expiries: [Key: Timestamp] = [:]

    func contains(_ export: ExportID, at expiry: Timestamp, to webhook: Webhook) -> Bool {
        expiries[Key(webhook: webhook.id, export: export)] == expiry
    }

    mutating func insert(_ export: ExportID, at expiry: Timestamp, to webhook: Webhook) {
        if expiries.count >= Self.limit { expiries = [:] }
        expiries[Key(webhook: webhook.id, export: export)] = expiry
    }

    /// Drops what has expired.
    mutating func drop(before now: Timestamp) { expiries = expiries.filter { $0.value > now } }
}

extension WebhookSelection {
    /// Whether it may be told of an export at all.
    fileprivate func maySee(_ export: Export) -> Bool {
        (seesAll || export.createdBy == webhook.createdBy) && takes(export)
    }
}
