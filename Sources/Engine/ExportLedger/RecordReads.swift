import Dispatch
import Exports
import GRDB
import Synchronization

/// Reads records in groups: records that are requested while others are read share the next transaction, with its thread and its
/// connection.
///
/// Each record is read by a transaction that begins after the request, in the order of the requests. A record that cannot be
/// read does not affect others. The number of waiting reads is bounded by the requests and the tasks of the engine, each of
/// which waits for its answer.
final class RecordReads: Sendable {
    /// The most records of one transaction, so that none of its readers waits for long.
    static let limit = 16
    /// The most transactions at once: another one begins when more records wait than fit into one.
    static let mostAtOnce = 3

    private struct Request {
        var id: ExportID
        var isForUpdate: Bool
        var answer: RecordAnswer
    }

    private struct State {
        var waiting: [Request] = []
        var readers = 0

        /// Adds a request. Returns whether another reader has to begin.
        mutating func ask(_ request: Request) -> Bool {
            waiting.append(request)
            guard readers == 0 || (waiting.count > RecordReads.limit && readers < RecordReads.mostAtOnce) else {
                return false
            }
            readers += 1
            return true
        }

        /// The next group. It is empty when no request waits; then the reader ends.
        mutating func take() -> [Request] {
            let taken = Array(waiting.prefix(RecordReads.limit))
            waiting.removeFirst(taken.count)
            if taken.isEmpty { readers -= 1 }
            return taken
        }
    }

    private let database: any DatabaseReader
    private let progress: UnwrittenProgress
    private let queue = DispatchQueue(label: "ledger.records", attributes: .concurrent)
    private let state = Mutex(State())
    private let isClosed = Mutex(false)
    /// The transactions that are under way.
    private let underWay = DispatchGroup()

    init(_ database: any DatabaseReader, adding progress: UnwrittenProgress) {
        (self.database, self.progress) = (database, progress)
    }

    /// Calls `answer` with the record, including progress that is not written to its row yet; with nil for an unknown export. It is
    /// called on a thread of this object, and must not wait. With `isForUpdate`, the record is kept for its update.
    func record(_ id: ExportID, isForUpdate: Bool = false, then answer: @escaping RecordAnswer) {
        let request = Request(id: id, isForUpdate: isForUpdate, answer: answer)
        if state.withLock({ $0.ask(request) }) { queue.async { self.readAll() } }
    }

    /// Returns when no transaction is under way. Waiting and later reads get the error that the ledger is closed.
    func close() {
        isClosed.withLock { $0 = true }
        underWay.wait()
    }

    private func readAll() {
        while true {
            let group = state.withLock { $0.take() }
            guard !group.isEmpty else { return }
            // Called after the transaction has ended, because the callers' code may take long.
            for (request, result) in zip(group, read(group)) { request.answer(result) }
        }
    }

    private func read(_ group: [Request]) -> [Result<LedgerRecord?, any Error>] {
        // While the pool closes, GRDB may return a closed connection, and SQLite does not check that.
        let mayRead = isClosed.withLock { isClosed in
            if !isClosed { underWay.enter() }
            return !isClosed
        }
        guard mayRead else {
            return group.map { _ in .failure(LedgerError(.unavailable, "the ledger is closed")) }
        }
        defer { underWay.leave() }
        // Taken before the transaction begins: progress that is written meanwhile is in the row then.
        let kept = progress.kept(of: group.map(\.id))
        let progress = progress
        do {
            return try database.read { database in
                group.map { request in
                    Result {
                        try SQLiteLedger.record(request.id, in: database)
                            .map { request.isForUpdate ? progress.keep($0, since: kept) : kept.adding(to: $0) }
                    }
                }
            }
        } catch {
            return group.map { _ in .failure(error) }
        }
    }
}
