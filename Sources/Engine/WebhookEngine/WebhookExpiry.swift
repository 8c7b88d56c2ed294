import ExportLedger
import Exports
import Webhooks
import Synchronization

/// Makes `export.expiring` messages: of successes whose files expire soon and were not all downloaded. Each export has one for each
/// webhook and time of expiry.
final class WebhookExpiry: Sendable {
    /// The most exports that are read at once.
    static let pageSize = 200
    /// The most exports of which it is kept that they were told. The others are told again, which stores nothing.
    private static let memory = 100_000

    private let parts: WebhookParts
    /// The exports that were told, with the time of their expiry.
    private let told = Mutex<[ExportID: Timestamp]>([:])

    init(_ parts: WebhookParts) { self.parts = parts }

    /// Other webhooks than before are there: all exports are told again.
    func webhooksChanged() { told.withLock { $0 = [:] } }

    /// Looks every few minutes until the task is cancelled.
    func run() async {
        let lead = parts.settings.expiryLead
        let interval = min(max(lead / 24, .seconds(5)), .seconds(300))
        while !Task.isCancelled {
            do {
                try await tell()
                try await parts.time.sleep(for: interval)
            } catch {
                await parts.rest(after: error, "looking for files that expire")
            }
        }
    }

    /// Tells of all files that expire within the lead time.
    func tell() async throws {
        let now = parts.time.now()
        var webhooks: [Webhook] = []
        try await parts.forEachPage { page in
            webhooks += page.filter { $0.state == .enabled && $0.types.contains(.expiring) }
        }
        guard !webhooks.isEmpty else { return }
        var after: (expiry: Timestamp, id: ExportID)?
        repeat {
            let ids = try await parts.store.expiringUndelivered(
                now: now,
                by: now + parts.settings.expiryLead,
                after: after,
                limit: Self.pageSize
            )
            after = try await tell(ids, to: webhooks, at: now)
            if ids.count < Self.pageSize { after = nil }
        } while after != nil
    }

    /// Returns the last one that could be read, after which the next page begins.
    private func tell(
        _ ids: [ExportID],
        to webhooks: [Webhook],
        at now: Timestamp
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
            guard export.status.hasResult, told.withLock({ $0[id] }) != expiry else { continue }
            expiring.append((export, expiry))
        }
        for webhook in webhooks {
            let selection = parts.selection(of: webhook)
            let messages = expiring.filter { selection.maySee($0.export) }
                .map { message(of: $0.export, at: $0.at, to: webhook, now: now) }
            guard !messages.isEmpty else { continue }
            if try await parts.store.add(messages, to: webhook.id, position: nil) { parts.due.fire() }
        }
        told.withLock { told in
            if told.count + expiring.count > Self.memory { told = [:] }
            for (export, expiry) in expiring { told[export.id] = expiry }
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

extension WebhookSelection {
    /// Whether it may be told of an export at all.
    fileprivate func maySee(_ export: Export) -> Bool {
        (seesAll || export.createdBy == webhook.createdBy) && takes(export)
    }
}
