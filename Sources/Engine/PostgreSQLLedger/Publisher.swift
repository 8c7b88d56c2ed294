import ExportLedger
import Exports
import PostgreSQL
import Synchronization

/// The publication of visible changes.
///
/// A transaction that changes exports adds its changes to `export_event_pending`. A *publication* gives them their numbers: one at a
/// time in the whole database, each in a transaction of its own that moves all pending changes that it finds to `export_event`. A number
/// that was read is therefore greater than all numbers that were given out before, whatever transactions commit later: none is passed
/// over. For one export, a later change was added after the earlier one was committed, so its number is greater too.
///
/// `NOTIFY` is sent by publications only. A commit with one takes a lock of the whole server, which writers must not wait for.
final class Publisher: Sendable {
    /// How many changes one transaction publishes at most.
    static let batch = 10_000

    private struct State {
        var isScheduled = false
        var waiting: [@Sendable (PostgreSQLError?) -> Void] = []
    }

    private let pool: PostgreSQLPool
    private let state = Mutex(State())

    init(_ settings: PostgreSQLSettings, randomness: Randomness) {
        var limits = PostgreSQLPool.Limits()
        limits.connections = 1
        pool = PostgreSQLPool(settings, limits: limits, randomness: randomness, prepare: Planner.prepare)
    }

    func close() async { await pool.close() }

    /// Publishes what is pending, without an answer.
    func publishSoon() { add(nil) }

    /// Publishes what is pending now. Returns when that is committed.
    func publish() async throws {
        let error = await withCheckedContinuation { continuation in
            add { continuation.resume(returning: $0) }
        }
        if let error { throw LedgerError(error, isWriting: true) }
    }

    private func add(_ answer: (@Sendable (PostgreSQLError?) -> Void)?) {
        let isFirst = state.withLock { state in
            if let answer { state.waiting.append(answer) }
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        guard isFirst else { return }
        pool.enqueue { connection in
            // Whoever calls from here on needs another publication.
            let waiting = self.state.withLock { state in
                defer { state = State() }
                return state.waiting
            }
            self.run(connection, waiting, isRepeated: false)
        }
    }

    /// Publishes, once more where the connection was lost: after a restart of the server, that is how it is noticed. A publication may be
    /// repeated in any case.
    private func run(
        _ connection: Result<PostgreSQLConnection, PostgreSQLError>,
        _ waiting: [@Sendable (PostgreSQLError?) -> Void],
        isRepeated: Bool
    ) {
        let error = publish(connection)
        if error?.kind == .connectionLost, !isRepeated {
            pool.enqueue { self.run($0, waiting, isRepeated: true) }
        } else {
            for answer in waiting { answer(error) }
        }
    }

    private func publish(_ connection: Result<PostgreSQLConnection, PostgreSQLError>) -> PostgreSQLError? {
        do throws(PostgreSQLError) {
            let connection = try connection.get()
            var count: Int64 = 0
            repeat {
                let rows = try connection.pipeline([.begin, SQLQuery(Self.lock), SQLQuery(Self.move), .commit])
                count = rows[2].first?.integer(0) ?? 0
            } while count == Self.batch
            return nil
        } catch {
            return error
        }
    }

    private static let lock: SQLStatement = "SELECT 1 FROM export_event_last FOR UPDATE"
    private static let move = SQLStatement(
        """
        WITH moved AS (
            DELETE FROM export_event_pending
            WHERE key IN (SELECT key FROM export_event_pending ORDER BY key LIMIT \(batch)) RETURNING *
        ), placed AS (
            INSERT INTO export_event (sequence, \(ExportChange.names), replica)
            SELECT export_event_last.sequence + row_number() OVER (ORDER BY key), \(ExportChange.names), replica
            FROM moved, export_event_last RETURNING export_event.sequence
        ), last AS (SELECT max(sequence) AS sequence, count(*) AS count FROM placed)
        UPDATE export_event_last SET sequence = last.sequence FROM last WHERE last.count > 0
        RETURNING last.count, pg_notify('\(ChangeFeed.changes)', last.sequence::text)
        """
    )
}
