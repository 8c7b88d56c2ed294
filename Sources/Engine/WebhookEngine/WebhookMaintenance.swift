import ExportLedger
import Exports
import SystemCrypto
import Webhooks

/// Counts what is pending, gives up what waits for webhooks that are off, and deletes old messages.
struct WebhookMaintenance: Sendable {
    /// The most messages that are deleted, or given up, at once.
    private static let batch = 500
    /// How often old messages are looked for.
    private static let interval = Duration.seconds(600)

    let parts: WebhookParts

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
                // What cannot be given up now, and what another replica leaves, is given up with the next cleaning.
                if await !parts.closed.wait(until: parts.time.now() + WebhookParts.interval, of: parts.time) {
                    try await giveUpWhatIsOff()
                }
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
        try await parts.forEachPage { page in
            for webhook in page { try await seal(webhook) }
        }
        try await giveUpWhatIsOff()
        while try await parts.store.pruneMessages(before: oldest, limit: Self.batch) == Self.batch {
            try Task.checkCancellation()
        }
    }

    /// What was before this time is not kept.
    private var oldest: Timestamp {
        Timestamp(milliseconds: parts.time.now().milliseconds - parts.settings.retention.milliseconds)
    }

    /// Gives up what is pending of webhooks that are disabled.
    private func giveUpWhatIsOff() async throws {
        try await parts.forEachPage { page in
            for webhook in page where webhook.state != .enabled {
                // What the owner has paused goes on for as long as messages are kept.
                try await giveUp(webhook, before: webhook.state == .disabled ? oldest : .forever)
            }
        }
    }

    /// Gives up the pending messages whose events were before a time, as long as the webhook stays as it is here.
    private func giveUp(_ webhook: Webhook, before time: Timestamp) async throws {
        var count = 0
        repeat {
            try Task.checkCancellation()
            count = try await parts.store.giveUpMessages(
                of: webhook.id,
                revision: webhook.revision,
                before: time,
                error: WebhookAttemptError.disabled.rawValue,
                limit: Self.batch
            )
            parts.metrics.gaveUp(count)
        } while count == Self.batch
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

extension Timestamp {
    /// Later than any event: the end of the year 9999.
    fileprivate static let forever = Timestamp(milliseconds: 253_402_300_799_999)
}
