import ExportLedger
import Exports
import SystemCrypto
import Webhooks

/// Counts what is pending, gives up what waits for webhooks that are off, and deletes old messages.
struct WebhookMaintenance: Sendable {
    /// The most messages that are deleted at once.
    private static let batch = 500
    /// How often old messages are looked for.
    private static let interval = Duration.seconds(600)

    let parts: WebhookParts
    let closing: WebhookClosing

    /// Works until the task is cancelled.
    func run() async {
        var next = parts.time.elapsed()
        while !Task.isCancelled {
            do {
                try await count()
                if parts.time.elapsed() >= next {
                    next = parts.time.elapsed() + Self.interval
                    try await clean()
                }
                try await parts.time.sleep(for: WebhookParts.interval)
            } catch {
                await parts.rest(after: error, "maintaining webhook messages")
            }
        }
    }

    /// Counts the pending messages.
    func count() async throws {
        let backlogs = try await parts.store.pendingMessages()
        parts.backlogs.counted(backlogs)
        let now = parts.time.now()
        let age = backlogs.values.map { max(.zero, now - $0.oldest) }.max() ?? .zero
        parts.metrics.arePending(backlogs.values.reduce(0) { $0 + $1.count }, oldest: age / .seconds(1))
        // A webhook that had too many may get messages again.
        parts.changed.fire()
    }

    /// Gives up and deletes what is old, and seals secrets again that another key than the present one has sealed.
    func clean() async throws {
        let now = parts.time.now()
        let oldest = Timestamp(milliseconds: now.milliseconds - parts.settings.retention.milliseconds)
        try await parts.forEachPage { page in
            for webhook in page {
                try await seal(webhook)
                guard webhook.state != .enabled else { continue }
                // What the owner has paused goes on for as long as messages are kept.
                try await closing.giveUp(webhook, before: webhook.state == .disabled ? oldest : now)
            }
        }
        while try await parts.store.pruneMessages(before: oldest, limit: Self.batch) == Self.batch {
            try Task.checkCancellation()
        }
    }

    private func seal(_ webhook: Webhook) async throws {
        guard parts.keys.isOutdated(webhook.sealedSecrets) else { return }
        let (keys, id) = (parts.keys, webhook.id)
        _ = try await parts.store.updateWebhook(id) { webhook in
            // One that cannot be decrypted is told when a message is to be signed.
            guard let secrets = try? WebhookSecrets(opening: webhook.sealedSecrets, of: id, with: keys),
                let sealed = try? secrets.sealed(for: id, with: keys)
            else { return }
            webhook.sealedSecrets = sealed
        }
    }
}
