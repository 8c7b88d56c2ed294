import ExportLedger
import Exports
import PostgreSQL
import Synchronization

/// Reads records in groups: records that are requested while others are read share the next query.
///
/// Each record is read by a query that is sent after the request, in the order of the requests. A record that cannot be read does not
/// affect others. The number of waiting reads is bounded by the requests and the tasks of the engine, each of which waits for its
/// answer.
final class RecordBatches: Sendable {
    /// The most records of one query, so that none of its readers waits for long.
    static let limit = 64
    /// The most queries at once: another one begins when more records wait than fit into one. One connection stays free for lists.
    static let mostAtOnce = 2

    private struct Request: Sendable {
        var id: ExportID
        var answer: RecordAnswer
        /// Whether its query has lost its connection: it is sent once more.
        var isRepeated = false
    }

    private struct State {
        var waiting: [Request] = []
        var readers = 0

        /// Adds a request. Returns whether another reader has to begin.
        mutating func ask(_ request: Request) -> Bool {
            waiting.append(request)
            guard readers == 0 || (waiting.count > RecordBatches.limit && readers < RecordBatches.mostAtOnce) else {
                return false
            }
            readers += 1
            return true
        }

        /// The next group. It is empty when no request waits; then the reader ends.
        mutating func take() -> [Request] {
            let taken = Array(waiting.prefix(RecordBatches.limit))
            waiting.removeFirst(taken.count)
            if taken.isEmpty { readers -= 1 }
            return taken
        }
    }

    private let pool: PostgreSQLPool
    private let state = Mutex(State())

    init(_ pool: PostgreSQLPool) { self.pool = pool }

    /// Calls `answer` with the record; with nil for an unknown export. It is called on a thread of the pool, and must not wait.
    func record(_ id: ExportID, then answer: @escaping RecordAnswer) {
        if state.withLock({ $0.ask(Request(id: id, answer: answer)) }) { schedule() }
    }

    private func schedule() {
        pool.enqueue { connection in
            let group = self.state.withLock { $0.take() }
            guard !group.isEmpty else { return }
            do throws(PostgreSQLError) {
                let rows = try Self.read(group, connection)
                for request in group {
                    request.answer(Result { try rows[request.id.description].map { try $0.record() } })
                }
            } catch {
                self.failed(group, error)
            }
            // By a call of its own, so that others get their turn.
            self.schedule()
        }
    }

    private static func read(
        _ group: [Request],
        _ connection: Result<PostgreSQLConnection, PostgreSQLError>
    ) throws(PostgreSQLError) -> [String: SQLRow] {
        let ids = SQLValue.textArray(group.map(\.id.description))
        let rows = try connection.get().query(SQLQuery(select, [ids]))
        return Dictionary(rows.map { ($0[.id] as String, $0) }) { first, _ in first }
    }

    private func failed(_ group: [Request], _ error: PostgreSQLError) {
        let isLost = error.kind == .connectionLost
        let again = group.filter { isLost && !$0.isRepeated }
            .map { request in
                var request = request
                request.isRepeated = true
                return request
            }
        state.withLock { $0.waiting.insert(contentsOf: again, at: 0) }
        for request in group where !isLost || request.isRepeated { request.answer(.failure(error)) }
    }

    private static let select = SQLStatement("\(ExportColumn.select) WHERE export.id = ANY($1::text[])")
}
