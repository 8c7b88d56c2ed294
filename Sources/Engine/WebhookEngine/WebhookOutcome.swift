import Exports
import Webhooks

/// What becomes of a message and its webhook after an attempt. No I/O.
struct WebhookOutcome: Sendable {
    /// The message as it is to be stored, unless the webhook was changed meanwhile.
    let message: WebhookMessage
    /// Nil after a success.
    let error: WebhookAttemptError?
    private let revision: Int64
    private let now: Timestamp
    private let disableAfter: Duration

    /// - Parameters:
    ///   - claimed: The message as it was claimed: the attempt is counted.
    ///   - revision: The revision of the webhook to which the attempt was made.
    ///   - jitter: A random number in 0..<1.
    init(
        of claimed: WebhookMessage,
        _ result: Result<WebhookAnswer, WebhookAttemptError>,
        revision: Int64,
        at now: Timestamp,
        jitter: Double,
        disableAfter: Duration
    ) {
        var message = claimed
        message.lastAttemptAt = now
        message.lastStatus = nil
        var retryAfter: Duration?
        switch result {
        case .success(let answer):
            message.lastStatus = answer.status
            retryAfter = answer.retryAfter
            error = WebhookAttemptError(status: answer.status)
        case .failure(let failure):
            error = failure
        }
        message.lastError = error?.rawValue
        message.dueAt = nil
        if error == nil {
            message.state = .delivered
        } else if error != .gone, error != .notPermitted,
            // Who asked for a test wants to know now, and a next test must not wait for this one.
            claimed.type != .test,
            let wait = WebhookSchedule.wait(after: claimed.attempts, retryAfter: retryAfter, jitter: jitter)
        {
            message.state = .pending
            message.dueAt = now + wait
        } else {
            message.state = .failed
        }
        self.message = message
        self.revision = revision
        self.now = now
        self.disableAfter = disableAfter
    }

    /// Changes the message and the webhook. Returns why the webhook is disabled with that, if it is.
    func change(_ message: inout WebhookMessage, _ webhook: inout Webhook) -> WebhookDisabledReason? {
        // Where nothing was sent, nothing is known of the receiver.
        guard error != .notPermitted else { return nil }
        // Of a webhook that was changed meanwhile, the attempt says nothing: it may have had another URL.
        guard webhook.revision == revision else {
            if message.state == .failed, message.type != .test { (message.state, message.dueAt) = (.pending, now) }
            return nil
        }
        guard let error else {
            webhook.failingSince = nil
            return nil
        }
        let failingSince = webhook.failingSince ?? now
        webhook.failingSince = failingSince
        guard webhook.state == .enabled else { return nil }
        let reason: WebhookDisabledReason
        if error == .gone {
            reason = .gone
        } else if now - failingSince >= disableAfter {
            reason = .failing
        } else {
            return nil
        }
        webhook.disable(reason, at: now)
        return reason
    }
}

extension Webhook {
    /// Switches it off on the gateway's behalf.
    mutating func disable(_ reason: WebhookDisabledReason, at now: Timestamp) {
        state = .disabledByGateway
        disabledReason = reason.rawValue
        updatedAt = now
    }
}
