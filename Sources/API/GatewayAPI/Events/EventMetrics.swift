import CoreMetrics

/// The metrics of event streams.
struct EventMetrics: Sendable {
    private let open: Meter
    private let sent: Counter
    private let snapshots: Counter
    private let reads: Counter
    private let catchUps: Counter
    private let ends: [EventQueue.End: Counter]

    init(factory: any MetricsFactory) {
        func events(_ kind: String) -> Counter {
            Counter(label: "export_gateway_events_sent_total", dimensions: [("kind", kind)], factory: factory)
        }
        open = Meter(label: "export_gateway_event_streams", factory: factory)
        open.set(0)
        sent = events("change")
        snapshots = events("snapshot")
        reads = Counter(label: "export_gateway_event_reads_total", factory: factory)
        catchUps = Counter(label: "export_gateway_event_catch_ups_total", factory: factory)
        ends = Dictionary(
            uniqueKeysWithValues: EventQueue.End.allCases.map { reason in
                let label = "export_gateway_event_streams_ended_total"
                return (reason, Counter(label: label, dimensions: [("reason", reason.rawValue)], factory: factory))
            }
        )
    }

    /// So many streams are open now.
    func areOpen(_ count: Int) { open.set(count) }

    func sentChange() { sent.increment() }

    func sentSnapshot() { snapshots.increment() }

    /// The ledger was read for all streams.
    func read() { reads.increment() }

    /// The ledger is read for one stream, whose client was behind.
    func caughtUp() { catchUps.increment() }

    func ended(_ reason: EventQueue.End) { ends[reason]?.increment() }
}
