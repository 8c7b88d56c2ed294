import ExportLedger
import Exports
import Logging
import Synchronization
import Webhooks

/// What follows when the gateway has disabled a webhook: it is logged and counted, the receiver is told, and the pending messages
/// are given up.
struct WebhookClosing: Sendable {
    /// The most messages that are given up at once.
    private static let batch = 500

    let parts: WebhookParts

    /// Disables a webhook, unless it is disabled or was changed by a caller meanwhile.
    func disable(_ webhook: Webhook, _ reason: WebhookDisabledReason) async throws {
        let now = parts.time.now()
        // Of several replicas that find the same, one tells it.
        let isDone = Mutex(false)
        let after = try await parts.store.updateWebhook(webhook.id) { stored in
            // Called again where the transaction is repeated.
            let isStill = stored.state == .enabled && stored.revision == webhook.revision
            isDone.withLock { $0 = isStill }
            if isStill { stored.disable(reason, at: now) }
        }
        guard let after, isDone.withLock({ $0 }) else { return }
        await closed(after, reason)
    }

    /// A webhook was disabled.
    func closed(_ webhook: Webhook, _ reason: WebhookDisabledReason) async {
        parts.metrics.disabled(reason)
        parts.logger.warning(
            "a webhook was disabled: no more events are sent to it until its owner enables it",
            metadata: [
                "webhook": "\(webhook.id)", "owner": "\(webhook.createdBy)", "reason": "\(reason.rawValue)",
                "failing_since": "\(webhook.failingSince?.description ?? "-")",
            ]
        )
        do {
            try await giveUp(webhook, before: .forever)
        } catch {
            // What is left pending is given up by the maintenance.
            await parts.rest(after: error, "closing a webhook")
        }
        // A receiver that answers 410 wants nothing more, and without an owner nothing may be sent.
        if reason == .failing { await tell(webhook) }
    }

    /// Gives up the pending messages whose events were before a time, as long as the webhook stays as it is here.
    func giveUp(_ webhook: Webhook, before time: Timestamp) async throws {
        var count = 0
        repeat {
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

    /// Makes the one attempt to send `webhook.disabled`. It is not stored: messages of a disabled webhook are not sent.
    private func tell(_ webhook: Webhook) async {
        let now = parts.time.now()
        let event = CloudEvent(disabled: webhook, id: parts.random.newID(at: now), now: now, base: parts.settings.base)
        let message = WebhookMessage(
            webhookID: webhook.id,
            id: event.id,
            exportID: nil,
            type: .disabled,
            time: now,
            body: event.encoded(),
            dueAt: now
        )
        switch await parts.attempt(message, to: webhook) {
        case .success(let answer): parts.metrics.attempted(WebhookAttemptError(status: answer.status))
        case .failure(let error): parts.metrics.attempted(error)
        }
    }
}

extension Timestamp {
    /// Later than any event: the end of the year 9999.
    fileprivate static let forever = Timestamp(milliseconds: 253_402_300_799_999)
}
