import Audit
import Exports
import Metrics

/// What the audit trail counts.
struct AuditMetrics: Sendable {
    private let rows: [AuditAction: Counter]
    private let rejected: Counter
    private let leftOut: Counter
    private let lost: Counter
    private let missing: Counter
    private let unsealed: Meter
    private let lag: Meter
    private let head: Meter
    private let heads: [HeadOutcome: Counter]

    enum HeadOutcome: String, CaseIterable { case told, failed }

    init(factory: any MetricsFactory) {
        func counter(_ name: String, _ dimensions: [(String, String)] = []) -> Counter {
            Counter(label: name, dimensions: dimensions, factory: factory)
        }
        func meter(_ name: String) -> Meter {
            Meter(label: name, dimensions: [], factory: factory)
        }
        rows = Dictionary(
            uniqueKeysWithValues: AuditAction.allCases.map {
                ($0, counter("export_gateway_audit_rows_total", [("action", $0.rawValue)]))
            }
        )
        rejected = counter("export_gateway_audit_entries_rejected_total")
        leftOut = counter("export_gateway_audit_denials_left_out_total")
        lost = counter("export_gateway_audit_denials_lost_total")
        missing = counter("export_gateway_audit_ends_missing_total")
        unsealed = meter("export_gateway_audit_entries_unsealed")
        lag = meter("export_gateway_audit_unsealed_seconds")
        head = meter("export_gateway_audit_head_sequence")
        heads = Dictionary(
            uniqueKeysWithValues: HeadOutcome.allCases.map {
                ($0, counter("export_gateway_audit_heads_total", [("outcome", $0.rawValue)]))
            }
        )
        for one in [rejected, leftOut, lost, missing] { one.increment(by: 0) }
        for one in heads.values { one.increment(by: 0) }
        for one in [unsealed, lag] { one.set(0) }
    }

    func sealed(_ batch: AuditChain.Batch) {
        for row in batch.rows { rows[row.entry.action]?.increment() }
        rejected.increment(by: batch.rejected.count)
        if let last = batch.rows.last { head.set(last.sequence) }
    }

    func leftOut(_ count: Int) { leftOut.increment(by: count) }
    func lost(_ count: Int) { lost.increment(by: count) }
    /// Rows are missing, or are not as they were sealed.
    func isTampered() { missing.increment() }
    func told(_ outcome: HeadOutcome) { heads[outcome]?.increment() }

    func waiting(_ backlog: AuditBacklog, at now: Timestamp) {
        unsealed.set(backlog.count)
        let age = backlog.oldest.map { max(.zero, now - $0) } ?? .zero
        lag.set(Double(age.milliseconds) / 1000)
    }
}
