import ExportLedger
import Exports
import Metrics
import Synchronization

/// What callers see of the exports that they ask for, in memory: fed by every commit, read from the ledger where it is missing.
///
/// All who miss the same export together share one read. Failures are not kept.
final class Snapshots: Sendable {
    /// Who is to be told what a read of the ledger finds.
    private enum Asker {
        /// Told nil where there is no such export, and where the ledger fails: it asks again then, for the reason.
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
        /// Reads that are under way.
        var askers: [ExportID: [Asker]] = [:]
        /// How many of those who were told that there is no such export may come and ask for the reason: they know it already.
        var absent: [ExportID: Int] = [:]

        /// What is at hand, or is done to find it: the asker waits for a read that is under way, and for one that must begin.
        mutating func asks(_ asker: Asker, _ id: ExportID) -> Found {
            if let snapshot = map.find(id) { return .snapshot(snapshot) }
            if askers[id]?.append(asker) != nil { return .isBeingRead }
            guard map.beginRead(id) else { return .isBeingCreated }
            askers[id] = [asker]
            return .mustBeRead
        }

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
        /// The asker waits, and will be told.
        case isBeingRead, mustBeRead
        /// Nobody can know its id yet.
        case isBeingCreated
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
        ask(id, .finder(then))
    }

    /// The snapshot, whosever it is; nil for an unknown export. Throws what the ledger throws.
    func current(_ id: ExportID) async throws -> ExportSnapshot? {
        let (snapshot, isAbsent) = state.withLock { state in
            let found = state.map.find(id)
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

    private func wasRead(_ id: ExportID, _ result: Result<Export?, any Error>) {
        let (shown, askers) = state.withLock { state -> (Result<ExportSnapshot?, any Error>, [Asker]) in
            let askers = state.askers.removeValue(forKey: id) ?? []
            // One that fails may have been told of a change meanwhile; but what is not certain is asked for again.
            let shown = state.map.endRead(id, (try? result.get()) ?? nil, lastOrder: orders.last)
            if case .success(.none) = result, shown == nil {
                state.areToldOfAbsence(askers.count(where: \.isFinder), id)
            }
            return (result.map { _ in shown }, askers)
        }
        for asker in askers { asker.tell(shown) }
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
