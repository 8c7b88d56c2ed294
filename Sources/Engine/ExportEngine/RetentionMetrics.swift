import Exports
import Metrics

/// What the retention counts.
struct RetentionMetrics: Sendable {
    private let factory: any MetricsFactory
    private let changes: Counter
    private let tombstones: Counter
    private let auditRows: Counter
    private let heldBack: [PurgeObstacle: Meter]

    init(factory: any MetricsFactory) {
        self.factory = factory
        func rows(_ kind: String) -> Counter {
            Counter(
                label: "export_gateway_retention_rows_deleted_total",
                dimensions: [("kind", kind)],
                factory: factory
            )
        }
        (changes, tombstones, auditRows) = (rows("change"), rows("tombstone"), rows("audit"))
        heldBack = Dictionary(
            uniqueKeysWithValues: PurgeObstacle.allCases.map { obstacle in
                let dimensions = [("reason", obstacle.rawValue)]
                let meter = Meter(
                    label: "export_gateway_exports_purge_held_back",
                    dimensions: dimensions,
                    factory: factory
                )
                meter.set(0)
                return (obstacle, meter)
            }
        )
    }

    func purged(_ tombstone: ExportTombstone) {
        Counter(
            label: "export_gateway_exports_purged_total",
            dimensions: [("provider", tombstone.provider.rawValue), ("status", tombstone.status.rawValue)],
            factory: factory
        )
        .increment()
    }

    func deletedChanges(_ count: Int) { changes.increment(by: count) }
    func deletedTombstones(_ count: Int) { tombstones.increment(by: count) }
    func deletedAuditRows(_ count: Int) { auditRows.increment(by: count) }

    /// What the last round did not purge although its time had come.
    func held(_ kept: [PurgeObstacle: Int]) {
        for (obstacle, meter) in heldBack { meter.set(kept[obstacle] ?? 0) }
    }
}
