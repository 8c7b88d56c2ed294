import CoreMetrics
import Exports
import Synchronization

/// What callers use of their limits in this process, and the metrics of it: kept when the limits change.
final class CallerUses: Sendable {
    let time: any TimeSource
    /// How many replicas serve the same callers, this one included.
    let replicas: @Sendable () -> Int
    private let table: Mutex<CallerTable>
    private let refusals: [Quota.Name: Counter]
    private let evicted: Counter
    private let known: Meter

    /// Nobody has used anything yet. At most `most` callers are kept.
    init(time: any TimeSource, replicas: @escaping @Sendable () -> Int, most: Int, metrics: any MetricsFactory) {
        self.time = time
        self.replicas = replicas
        table = Mutex(CallerTable(limit: most))
        let names: [Quota.Name] = [.requests, .waits, .downloadBytes]
        refusals = Dictionary(
            uniqueKeysWithValues: names.map { name in
                let dimensions = [("limit", name.rawValue)]
                return (
                    name,
                    Counter(
                        label: "export_gateway_caller_limit_refusals_total",
                        dimensions: dimensions,
                        factory: metrics
                    )
                )
            }
        )
        evicted = Counter(label: "export_gateway_caller_limit_callers_evicted_total", factory: metrics)
        known = Meter(label: "export_gateway_caller_limit_callers", factory: metrics)
        known.set(0)
    }

    /// Reads or changes what a caller uses.
    @discardableResult
    func change<Value: Sendable>(_ caller: String, at now: Int64, _ body: (inout CallerUse) -> Value) -> Value {
        let (value, evicted, count) = table.withLock { table in
            let (before, size) = (table.evicted, table.count)
            let value = table.use(of: caller, at: now, body)
            return (value, table.evicted - before, table.count == size ? nil : table.count)
        }
        if evicted > 0 { self.evicted.increment(by: evicted) }
        if let count { known.set(count) }
        return value
    }

    /// Changes what a caller uses, where it is kept.
    func known(_ caller: String, _ body: (inout CallerUse) -> Void) { table.withLock { $0.known(caller, body) } }

    /// Counts a refusal.
    func refused(_ limit: Quota.Name) { refusals[limit]?.increment() }
}

/// A caller's place for a request that waits or for an event stream. It is given back by `giveBack`, or with the last reference to this
/// object.
final class WaitPlace: Sendable {
    private let caller: String
    private let uses: CallerUses
    private let isHeld = Mutex(true)

    init(of caller: String, in uses: CallerUses) {
        (self.caller, self.uses) = (caller, uses)
    }

    deinit { giveBack() }

    /// Gives the place back. Only the first call counts.
    func giveBack() {
        let isMine = isHeld.withLock { isHeld in
            defer { isHeld = false }
            return isHeld
        }
        if isMine { uses.known(caller) { $0.waits = max(0, $0.waits - 1) } }
    }
}
