import ExportLedger
import Exports
import Metrics
import Synchronization

/// What callers see of the exports that they ask for, in memory: fed by every commit, read from the ledger where it is missing.
///
/// All who miss the same export together share one read. Failures are not kept.
final class Snapshots: Sendable {
    private struct State {
        var map: SnapshotMap
        var reads: [ExportID: Task<ExportSnapshot?, any Error>] = [:]
        /// Who is to be told what these reads find.
        var finders: [ExportID: [@Sendable (ExportSnapshot?) -> Void]] = [:]
        /// How many of those who were told that there is no such export may come and ask for the reason: they know it already.
        var absent: [ExportID: Int] = [:]

        mutating func areToldOfAbsence(_ count: Int, _ id: ExportID) {
            guard count > 0 else { return }
            // Some have left instead.
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
        case read(Task<ExportSnapshot?, any Error>)
        case absent
        /// It is being created: nobody can know its id yet.
        case nothing
    }

    private let ledger: any ExportLedger
    private let state: Mutex<State>
    /// Gives out the places of changes.
    let orders = ChangeOrders()
    private let hits: Counter
    private let misses: Counter

    /// Keeps at most `capacity` exports; 0 keeps none, and every question is one to the ledger.
    init(ledger: any ExportLedger, capacity: Int, metrics: any MetricsFactory) {
        self.ledger = ledger
        state = Mutex(State(map: SnapshotMap(capacity: capacity)))
        func counter(_ result: String) -> Counter {
            Counter(label: "export_gateway_snapshot_reads_total", dimensions: [("result", result)], factory: metrics)
        }
        hits = counter("hit")
        misses = counter("miss")
    }

    /// The snapshot, where it is at hand and `owner`'s; nil sees everybody's.
    func atHand(_ id: ExportID, owner: String?) -> ExportSnapshot? {
        guard let found = state.withLock({ $0.map.find(id) }), owner == nil || found.export.createdBy == owner else {
            return nil
        }
        hits.increment()
        return found
    }

    /// Tells `then` the snapshot, whosever it is, at once or when it is read; nil where there is none, and where the ledger fails.
    /// Who then asks `current` why there is none causes no second read.
    func find(_ id: ExportID, then: @escaping @Sendable (ExportSnapshot?) -> Void) {
        let (isToldNow, found) = state.withLock { state -> (Bool, ExportSnapshot?) in
            if let snapshot = state.map.find(id) { return (true, snapshot) }
            // It is being created: nobody can know its id yet.
            guard self.read(of: id, &state) != nil else { return (true, nil) }
            state.finders[id, default: []].append(then)
            return (false, nil)
        }
        (found == nil ? misses : hits).increment()
        if isToldNow { then(found) }
    }

    /// The snapshot, whosever it is; nil for an unknown export. Throws what the ledger throws.
    func current(_ id: ExportID) async throws -> ExportSnapshot? {
        let found = state.withLock { state -> Found in
            if let snapshot = state.map.find(id) { return .snapshot(snapshot) }
            if state.isKnownToBeAbsent(id) { return .absent }
            return self.read(of: id, &state).map(Found.read) ?? .nothing
        }
        switch found {
        case .snapshot(let snapshot):
            hits.increment()
            return snapshot
        case .read(let read):
            misses.increment()
            return try await read.value
        case .absent: return nil
        case .nothing:
            misses.increment()
            return try await ledger.record(id).map { ExportSnapshot($0.export) }
        }
    }

    /// The read that is under way, or a new one; nil where the export is being created.
    private func read(of id: ExportID, _ state: inout State) -> Task<ExportSnapshot?, any Error>? {
        if let read = state.reads[id] { return read }
        guard state.map.beginRead(id) else { return nil }
        // A task of its own: it must not end because the first who asked has left. It is one read of the ledger, and ends with it;
        // everybody who asked awaits it, or is told.
        let read = Task { try await self.read(id) }
        state.reads[id] = read
        return read
    }

    private func read(_ id: ExportID) async throws -> ExportSnapshot? {
        let result: Result<LedgerRecord?, any Error>
        do {
            result = .success(try await ledger.record(id))
        } catch {
            result = .failure(error)
        }
        let (shown, finders) = state.withLock { state in
            state.reads[id] = nil
            let shown = state.map.endRead(id, (try? result.get())?.export, lastOrder: orders.last)
            let finders = state.finders.removeValue(forKey: id) ?? []
            if case .success(.none) = result, shown == nil { state.areToldOfAbsence(finders.count, id) }
            return (shown, finders)
        }
        // One that fails may have been told of a change meanwhile; but what is not certain is asked for again.
        let isCertain = (try? result.get()) != nil
        for tell in finders { tell(isCertain ? shown : nil) }
        _ = try result.get()
        return shown
    }

    // MARK: Lists

    /// A list is about to be read; `endList` must follow.
    func beginList() { state.withLock { $0.map.beginList() } }

    /// The snapshot, where it is at hand and of this revision.
    func known(_ id: ExportID, revision: Int64) -> ExportSnapshot? {
        state.withLock { $0.map.known(id, revision: revision) }
    }

    /// What is shown of the exports of a list, some of which were at hand: what was read is kept for the next one.
    func listed(_ snapshots: [ExportSnapshot]) -> [ExportSnapshot] {
        state.withLock { state in
            snapshots.map { state.map.listed($0, lastOrder: orders.last) }
        }
    }

    func endList() { state.withLock { $0.map.endList() } }

    // MARK: Changes

    /// A change was committed.
    func wrote(_ export: Export, order: UInt64) {
        state.withLock { $0.map.wrote(export, order: order) }
    }

    /// Callers were shown what the ledger holds.
    func saw(_ export: Export) { state.withLock { $0.map.saw(export, lastOrder: orders.last) } }

    /// An export is about to be written down for the first time; `created` must follow. What is done about it in between is
    /// taken note of.
    func creates(_ id: ExportID) {
        state.withLock { state in
            state.absent[id] = nil
            _ = state.map.beginRead(id)
        }
    }

    /// It was, or, with nil, was not.
    func created(_ id: ExportID, _ export: Export?) {
        // Nothing was changed before.
        _ = state.withLock { $0.map.endRead(id, export, lastOrder: 0) }
    }
}

/// The places of changes among all others: taken in the transactions that make them, so that of two commits of one export the
/// later one has the higher.
final class ChangeOrders: Sendable {
    private let value = Atomic<UInt64>(0)

    /// The highest that was given out.
    var last: UInt64 { value.load(ordering: .sequentiallyConsistent) }

    func next() -> UInt64 { value.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue }
}

/// The place of one change.
final class ChangeOrder: Sendable {
    private let value = Atomic<UInt64>(0)
    private let orders: ChangeOrders

    /// Holds nothing of the ledger: a transaction that ends must not be what closes it.
    init(of orders: ChangeOrders) {
        self.orders = orders
    }

    /// To be called in the transaction. One that is begun anew takes a new place: the last one counts.
    func take() { value.store(orders.next(), ordering: .sequentiallyConsistent) }

    var number: UInt64 { value.load(ordering: .sequentiallyConsistent) }
}
