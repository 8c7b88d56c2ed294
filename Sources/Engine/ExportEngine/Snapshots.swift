import ExportLedger
import Exports
import Metrics
import Synchronization

/// The snapshots in memory of the exports that callers ask for. Every commit updates them, and a missing one is read from the
/// ledger.
///
/// All who miss the same export at the same time share one read. Failures are not kept.
final class Snapshots: Sendable {
    /// A waiter for a read of the ledger.
    private enum Asker {
        /// Called with nil where there is no such export, and where the ledger fails: it then asks again, for the reason.
        case finder(@Sendable (ExportSnapshot?) -> Void)
        case task(CheckedContinuation<ExportSnapshot?, any Error>)

        func tell(_ result: Result<ExportSnapshot?, any Error>) {
            switch self {
            case .finder(let tell): tell((try? result.get()) ?? nil)
            case .task(let continuation): continuation.resume(with: result)
            }
        }

        var isFinder: Bool { if case .finder = self { true } else { false } }
    }

    private struct State {
        var map: SnapshotMap
        /// Whether the map has every change. Where other replicas change exports too, it may miss some.
        var isCurrent = true
        /// The reads under way, with their waiters.
        var askers: [ExportID: [Asker]] = [:]
        /// How many callers that were told that there is no such export may still ask for the reason: they need no second read.
        var absent: [ExportID: Int] = [:]

        /// The snapshot in memory, or what is done to find it: the asker waits for a read that is under way, or that must begin.
        mutating func asks(_ asker: Asker, _ id: ExportID) -> Found {
            if isCurrent, let snapshot = map.find(id) { return .snapshot(snapshot) }
            if askers[id]?.append(asker) != nil { return .isBeingRead }
            guard map.beginRead(id) else { return .isBeingCreated }
            askers[id] = [asker]
            return .mustBeRead
        }

        mutating func areToldOfAbsence(_ count: Int, _ id: ExportID) {
            guard count > 0 else { return }
            // Some callers never ask for the reason, so the table is emptied when it is full.
            if absent.count >= Snapshots.mostAbsent { absent.removeAll() }
            absent[id, default: 0] += count
        }

        mutating func isKnownToBeAbsent(_ id: ExportID) -> Bool {
            guard let count = absent[id] else { return false }
            absent[id] = count > 1 ? count - 1 : nil
            return true
        }
    }

    private static let mostAbsent = 1024

    private enum Found {
        case snapshot(ExportSnapshot)
        /// The asker waits, and will be called.
        case isBeingRead, mustBeRead
        /// No caller can know its id yet.
        case isBeingCreated
    }

    private let ledger: any ExportLedger
    private let state: Mutex<State>
    /// Assigns the order of changes.
    let orders = ChangeOrders()
    private let hits: Counter
    private let misses: Counter

    /// Keeps at most `capacity` exports. With 0 it keeps none, and every request reads the ledger. With a `lifetime`, an export that
    /// has not ended is read again after it.
    init(
        ledger: any ExportLedger,
        capacity: Int,
        lifetime: SnapshotMap.Lifetime? = nil,
        metrics: any MetricsFactory
    ) {
        self.ledger = ledger
        state = Mutex(State(map: SnapshotMap(capacity: capacity, lifetime: lifetime)))
        func counter(_ outcome: String) -> Counter {
            Counter(label: "export_gateway_snapshot_reads_total", dimensions: [("outcome", outcome)], factory: metrics)
        }
        hits = counter("hit")
        misses = counter("miss")
    }

    /// The snapshot, where it is in memory and `viewer` may see it.
    func inMemory(_ id: ExportID, for viewer: Viewer) -> ExportSnapshot? {
        guard let found = state.withLock({ $0.isCurrent ? $0.map.find(id) : nil }), viewer.maySee(found.export) else {
            return nil
        }
        hits.increment()
        return found
    }

    /// Calls `then` with the snapshot, whoever owns it, at once or when it is read. It gets nil where there is none, and where
    /// the ledger fails. A caller who then asks `current` for the reason causes no second read.
    func find(_ id: ExportID, then: @escaping @Sendable (ExportSnapshot?) -> Void) {
        ask(id, .finder(then))
    }

    /// The snapshot, whoever owns it; nil for an unknown export. Throws what the ledger throws.
    func current(_ id: ExportID) async throws -> ExportSnapshot? {
        let (snapshot, isAbsent) = state.withLock { state in
            let found = state.isCurrent ? state.map.find(id) : nil
            return (found, found == nil && state.isKnownToBeAbsent(id))
        }
        if isAbsent { return nil }
        if let snapshot {
            hits.increment()
            return snapshot
        }
        return try await withCheckedThrowingContinuation { ask(id, .task($0)) }
    }

    private func ask(_ id: ExportID, _ asker: Asker) {
        switch state.withLock({ $0.asks(asker, id) }) {
        case .snapshot(let snapshot):
            hits.increment()
            asker.tell(.success(snapshot))
        case .isBeingRead: misses.increment()
        case .mustBeRead:
            misses.increment()
            ledger.record(id) { self.wasRead(id, $0.map { $0?.export }) }
        case .isBeingCreated:
            misses.increment()
            if asker.isFinder { return asker.tell(.success(nil)) }
            ledger.record(id) { asker.tell($0.map { $0.map { ExportSnapshot($0.export) } }) }
        }
    }

    /// Says whether changes of other replicas may be missed. While they may, every request reads the ledger, and shows the export as
    /// stale unless it has ended.
    func setCurrent(_ isCurrent: Bool) {
        state.withLock { state in
            guard state.isCurrent != isCurrent else { return }
            state.isCurrent = isCurrent
            if !isCurrent { state.map.removeAll() }
        }
    }

    /// Whether the export is in memory.
    func has(_ id: ExportID) -> Bool { state.withLock { $0.map.has(id) } }

    private func wasRead(_ id: ExportID, _ result: Result<Export?, any Error>) {
        let (shown, askers) = state.withLock { state -> (Result<ExportSnapshot?, any Error>, [Asker]) in
            let askers = state.askers.removeValue(forKey: id) ?? []
            // For a failed read, a newer commit may be there. Otherwise nothing is shown, and the next request reads again.
            let shown = state.map.endRead(id, (try? result.get()) ?? nil, lastOrder: orders.last)
            if case .success(.none) = result, shown == nil {
                state.areToldOfAbsence(askers.count(where: \.isFinder), id)
            }
            return (result.map { _ in state.isCurrent ? shown : shown?.stale }, askers)
        }
        for asker in askers { asker.tell(shown) }
    }

    // MARK: Lists

    /// Begins to read a list; `endList` must follow.
    func beginList() { state.withLock { $0.map.beginList() } }

    /// The snapshot, where it is in memory and of this revision.
    func known(_ id: ExportID, revision: Int64) -> ExportSnapshot? {
        state.withLock { $0.map.known(id, revision: revision) }
    }

    /// The snapshots to show for a list, some of which were in memory. What was read is kept for the next list.
    func listed(_ snapshots: [ExportSnapshot]) -> [ExportSnapshot] {
        state.withLock { state in
            snapshots.map { state.map.listed($0, lastOrder: orders.last) }
        }
    }

    func endList() { state.withLock { $0.map.endList() } }

    // MARK: Changes

    /// Applies a committed change.
    func wrote(_ export: Export, order: UInt64) {
        state.withLock { $0.map.wrote(export, order: order) }
    }

    /// Applies that exports were purged: no caller is shown one from here on.
    func purged(_ ids: [ExportID]) { state.withLock { $0.map.purged(ids) } }

    /// Applies a record that was read and shown to a caller.
    func saw(_ export: Export) { state.withLock { $0.map.saw(export, lastOrder: orders.last) } }

    /// Begins the creation of an export; `created` must follow. Changes in between are recorded.
    func creates(_ id: ExportID) {
        state.withLock { state in
            state.absent[id] = nil
            _ = state.map.beginRead(id)
        }
    }

    /// Ends the creation of an export. With nil, it was not created.
    func created(_ id: ExportID, _ export: Export?) {
        // 0, because there was no change before the creation.
        _ = state.withLock { $0.map.endRead(id, export, lastOrder: 0) }
    }
}

/// Assigns the order of changes. A change takes its order while it is made, so that of two changes of one export the later one has
/// the higher order.
final class ChangeOrders: Sendable {
    private let value = Atomic<UInt64>(0)

    /// The highest order that was assigned.
    var last: UInt64 { value.load(ordering: .sequentiallyConsistent) }

    func next() -> UInt64 { value.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue }
}

/// The order of one change.
final class ChangeOrder: Sendable {
    private let value = Atomic<UInt64>(0)
    private let orders: ChangeOrders

    /// Keeps no reference to the ledger: the end of a transaction must not close it.
    init(of orders: ChangeOrders) {
        self.orders = orders
    }

    /// Call this while the ledger makes the change. A change that is tried again takes a new order: the last one counts.
    func take() { value.store(orders.next(), ordering: .sequentiallyConsistent) }

    var number: UInt64 { value.load(ordering: .sequentiallyConsistent) }
}

extension ExportSnapshot {
    /// The same export, shown as stale where it may go on changing.
    fileprivate var stale: ExportSnapshot {
        guard !export.isFinal, !export.stale else { return self }
        var export = export
        export.stale = true
        return ExportSnapshot(export)
    }
}
