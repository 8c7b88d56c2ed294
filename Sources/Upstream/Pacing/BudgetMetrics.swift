import Exports
import Metrics

/// The metrics of a budget. `budget` is its name, `priority` the class of a call.
struct BudgetMetrics: Sendable {
    struct Figures: Sendable {
        var queueLength: [CallPriority: Int]

        init(_ budget: BudgetState) {
            queueLength = Dictionary(uniqueKeysWithValues: CallPriority.allCases.map { ($0, budget.queueLength($0)) })
        }
    }

    enum Reason: String, CaseIterable {
        /// The budget has no place in time.
        case queued
        /// The upstream asked for a pause (`Retry-After`).
        case held
    }

    private let queueLength: [CallPriority: Meter]
    private let waits: [CallPriority: Metrics.Timer]
    private let refusals: [CallPriority: [Reason: Counter]]

    init(_ name: String, factory: any MetricsFactory) {
        func each<Handle>(_ make: (CallPriority, [(String, String)]) -> Handle) -> [CallPriority: Handle] {
            Dictionary(
                uniqueKeysWithValues: CallPriority.allCases.map { priority in
                    (priority, make(priority, [("budget", name), ("priority", priority.rawValue)]))
                }
            )
        }
        queueLength = each { Meter(label: "export_gateway_budget_queue_length", dimensions: $1, factory: factory) }
        waits = each {
            Metrics.Timer(
                label: "export_gateway_budget_wait_seconds",
                dimensions: $1,
                preferredDisplayUnit: .seconds,
                factory: factory
            )
        }
        refusals = each { _, dimensions in
            Dictionary(
                uniqueKeysWithValues: Reason.allCases.map {
                    (
                        $0,
                        Counter(
                            label: "export_gateway_budget_calls_refused_total",
                            dimensions: dimensions + [("reason", $0.rawValue)],
                            factory: factory
                        )
                    )
                }
            )
        }
    }

    func admitted(_ priority: CallPriority, after wait: Duration) {
        waits[priority]?.recordMilliseconds(wait.milliseconds)
    }

    func refused(_ priority: CallPriority, _ reason: Reason) { refusals[priority]?[reason]?.increment() }

    func set(_ figures: Figures) {
        for (priority, count) in figures.queueLength { queueLength[priority]?.set(count) }
    }
}
