import Metrics
import Synchronization

/// How large the ledger is, and how many exports are retained.
final class LedgerSize: Sendable {
    private let factory: any MetricsFactory
    private let retained: Meter
    /// The parts of the ledger, of which each kind of ledger has its own.
    private let parts = Mutex<[String: Meter]>([:])

    init(metrics: any MetricsFactory) {
        factory = metrics
        retained = Meter(label: "export_gateway_exports_retained", dimensions: [], factory: metrics)
    }

    func measured(retained count: Int, _ usage: [String: Int64]) {
        retained.set(count)
        parts.withLock { parts in
            for (part, bytes) in usage {
                let meter =
                    parts[part]
                    ?? Meter(label: "export_gateway_ledger_bytes", dimensions: [("part", part)], factory: factory)
                parts[part] = meter
                meter.set(bytes)
            }
        }
    }
}
