import Metrics
import Webhooks

/// The metrics of webhooks. Each label is from a closed list.
struct WebhookMetrics: Sendable {
    private let pending: Meter
    private let oldest: Meter
    private let attempts: [String: Counter]
    private let failed: Counter
    private let disabled: [WebhookDisabledReason: Counter]
    private let unreadable: Counter

    init(factory: any MetricsFactory) {
        pending = Meter(label: "export_gateway_webhook_messages_pending", factory: factory)
        oldest = Meter(label: "export_gateway_webhook_oldest_pending_seconds", factory: factory)
        pending.set(0)
        oldest.set(0)
        // No attempt ends with these.
        let others: [WebhookAttemptError] = [.notPermitted, .disabled, .unreadable]
        let outcomes = ["delivered"] + WebhookAttemptError.allCases.filter { !others.contains($0) }.map(\.rawValue)
        attempts = Dictionary(
            uniqueKeysWithValues: outcomes.map { outcome in
                let label = "export_gateway_webhook_attempts_total"
                return (outcome, Counter(label: label, dimensions: [("outcome", outcome)], factory: factory))
            }
        )
        failed = Counter(label: "export_gateway_webhook_messages_failed_total", factory: factory)
        disabled = Dictionary(
            uniqueKeysWithValues: WebhookDisabledReason.allCases.map { reason in
                let label = "export_gateway_webhooks_disabled_total"
                return (reason, Counter(label: label, dimensions: [("reason", reason.rawValue)], factory: factory))
            }
        )
        unreadable = Counter(label: "export_gateway_webhook_changes_unreadable_total", factory: factory)
    }

    func attempted(_ error: WebhookAttemptError?) { attempts[error?.rawValue ?? "delivered"]?.increment() }

    /// Messages were given up.
    func gaveUp(_ count: Int = 1) { failed.increment(by: count) }

    func disabled(_ reason: WebhookDisabledReason) { disabled[reason]?.increment() }

    /// A change could not be read: no webhook is told of it.
    func missedChange() { unreadable.increment() }

    /// So many messages are pending; the oldest one is so old, in seconds.
    func arePending(_ count: Int, oldest age: Double) {
        pending.set(count)
        oldest.set(age)
    }
}
