import ExportLedger
import Exports
import Logging
import Synchronization
import Webhooks

/// What follows when the gateway has disabled a webhook: it is logged and counted, the receiver is told, and the maintenance gives the
/// pending messages up.
struct WebhookClosing: Sendable {
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
        // Not here: many messages take long, and whoever has found it has other webhooks to serve.
        parts.closed.fire()
        // A receiver that answers 410 wants nothing more, and without an owner nothing may be sent.
        if reason == .failing { await tell(webhook) }
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
