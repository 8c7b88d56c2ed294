import Exports
import Metrics
import Synchronization

/// What the engine counts. Labels hold no values that a client or an upstream can make up.
struct EngineMetrics: Sendable {
    let factory: any MetricsFactory
    private let creations = Creations()

    init(factory: any MetricsFactory) {
        self.factory = factory
    }

    func created(_ provider: ProviderID) {
        creations.counter(of: provider) {
            Counter(
                label: "export_gateway_exports_created_total",
                dimensions: [("provider", provider.rawValue)],
                factory: factory
            )
        }
        .increment()
    }

    /// Looked up once, because each new export counts.
    private final class Creations: Sendable {
        private let counters = Mutex<[ProviderID: Counter]>([:])

        func counter(of provider: ProviderID, _ make: () -> Counter) -> Counter {
            counters.withLock { counters in
                if let counter = counters[provider] { return counter }
                let counter = make()
                counters[provider] = counter
                return counter
            }
        }
    }

    func finished(_ provider: ProviderID, _ status: ExportStatus) {
        count(
            "export_gateway_exports_finished_total",
            [("provider", provider.rawValue), ("status", status.rawValue)]
        )
    }

    /// `outcome` is `started`, or the label of the error.
    func submission(_ provider: ProviderID, _ error: ProviderError?) {
        count(
            "export_gateway_upstream_starts_total",
            [("provider", provider.rawValue), ("outcome", error?.label ?? "started")]
        )
    }

    /// `outcome` is `observed`, or the label of the error.
    func poll(_ provider: ProviderID, _ error: ProviderError?) {
        count(
            "export_gateway_upstream_polls_total",
            [("provider", provider.rawValue), ("outcome", error?.label ?? "observed")]
        )
    }

    /// Counts a delivery that happened but is not in the ledger.
    func unrecordedDelivery(_ outcome: Delivery.Outcome) {
        count("export_gateway_deliveries_unrecorded_total", [("outcome", outcome.rawValue)])
    }

    /// The number of exports on a connection that have not ended.
    func unfinished(_ key: ConnectionKey) -> Meter {
        Meter(
            label: "export_gateway_exports_unfinished",
            dimensions: [("provider", key.provider.rawValue), ("connection", key.name)],
            factory: factory
        )
    }

    /// How late polls are when their call begins. The wait for the request budget is not included.
    func pollLag(_ key: ConnectionKey) -> Metrics.Timer {
        Metrics.Timer(
            label: "export_gateway_poll_lag_seconds",
            dimensions: [("provider", key.provider.rawValue), ("connection", key.name)],
            preferredDisplayUnit: .seconds,
            factory: factory
        )
    }

    /// How many exports are due and wait for a call, by kind of work.
    func waiting(_ key: ConnectionKey) -> [ConnectionWorkerState.Kind: Meter] {
        Dictionary(
            uniqueKeysWithValues: ConnectionWorkerState.Kind.allCases.map { kind in
                let dimensions = [
                    ("provider", key.provider.rawValue), ("connection", key.name), ("work", kind.rawValue),
                ]
                return (
                    kind, Meter(label: "export_gateway_exports_waiting", dimensions: dimensions, factory: factory)
                )
            }
        )
    }

    private func count(_ label: String, _ dimensions: [(String, String)]) {
        Counter(label: label, dimensions: dimensions, factory: factory).increment()
    }
}
