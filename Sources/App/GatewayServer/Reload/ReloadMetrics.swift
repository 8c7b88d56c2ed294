import Exports
import GatewayAPI
import Metrics

/// The metrics of reloads.
struct ReloadMetrics: Sendable {
    private enum Label: String, CaseIterable {
        case applied, invalid
        case restartNeeded = "restart-needed"
    }

    private let counters: [Label: Counter]
    private let appliedAt: Meter
    private let isRefused: Meter

    /// The configuration of the start counts as applied at `start`.
    init(since start: Timestamp, factory: any MetricsFactory) {
        counters = Dictionary(
            uniqueKeysWithValues: Label.allCases.map { label in
                (
                    label,
                    Counter(
                        label: "export_gateway_configuration_reloads_total",
                        dimensions: [("outcome", label.rawValue)],
                        factory: factory
                    )
                )
            }
        )
        appliedAt = Meter(label: "export_gateway_configuration_applied_timestamp_seconds", factory: factory)
        isRefused = Meter(label: "export_gateway_configuration_refused", factory: factory)
        appliedAt.set(start.milliseconds / 1000)
        isRefused.set(0)
    }

    /// Records a reload.
    func ended(_ outcome: ReloadOutcome, at now: Timestamp) {
        let label: Label
        switch outcome {
        case .applied: label = .applied
        case .invalid: label = .invalid
        case .restartNeeded: label = .restartNeeded
        case .notNow: return
        }
        counters[label]?.increment()
        isRefused.set(label == .applied ? 0 : 1)
        if label == .applied { appliedAt.set(now.milliseconds / 1000) }
    }
}
