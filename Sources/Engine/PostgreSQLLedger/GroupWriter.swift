import Dispatch
import ExportLedger
import Exports
import Metrics
import PostgreSQL
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Commits writes in groups: writes that come while one group is on its way are written with the next one, so that many callers
/// share the round trips and the time of the disk.
///
/// A group is one transaction of two round trips: the rows that its writes need are locked and read; the writes run one after the
/// other; then all statements are sent together with the `COMMIT`. Callers are answered after the commit. A write that throws is left
/// out, and its caller gets the error. Where the database refuses a statement, the transaction is undone, and each write of the
/// group is written alone, so that only the one fails which is the cause.
///
/// **Where the connection is lost at the commit**, nobody knows whether the group is stored. Each group therefore writes its number
/// into the writer's own row of `ledger_writer`. A new connection first locks that row, which waits until the server has ended the
/// lost connection's transaction, and then reads the number: it is the group's, or the group is not stored and is written again. The
/// id of a transaction would not do: PostgreSQL may use an id again after a crash if nothing of its transaction was on the disk.
///
/// Unlike the order of SQLite's group commit, this needs no thread of its own: the pool has one connection, whose thread is used.
final class GroupWriter: Sendable {
    let pool: PostgreSQLPool
    let id: String
    let limits: Limits
    let updates = UpdateTexts()
    let registration: @Sendable () -> String?
    let committed: @Sendable () -> Void
    private let undetermined: @Sendable () -> Void
    let queue = Mutex(WriteQueue())
    let lastGroup = Atomic<Int64>(0)
    let duration: Metrics.Timer
    let size: Recorder

    /// - Parameters:
    ///   - id: Names the row of `ledger_writer`: no other writer has it.
    ///   - registration: The id of the replica; nil before it has joined.
    ///   - committed: Called after a commit with visible changes.
    ///   - undetermined: Called where it could not be found out whether a group is stored.
    init(
        _ settings: PostgreSQLSettings,
        id: String,
        limits: Limits = Limits(),
        randomness: Randomness,
        registration: @escaping @Sendable () -> String?,
        committed: @escaping @Sendable () -> Void,
        undetermined: @escaping @Sendable () -> Void,
        metrics: any MetricsFactory
    ) {
        var poolLimits = PostgreSQLPool.Limits()
        (poolLimits.connections, poolLimits.patience) = (1, limits.patience)
        pool = PostgreSQLPool(settings, limits: poolLimits, randomness: randomness) {
            connection throws(PostgreSQLError) in
            try Planner.prepare(connection)
            do throws(PostgreSQLError) {
                // Waits for the end of a transaction that a lost connection has left on the server.
                _ = try connection.query(SQLQuery(Self.open, [.text(id)]))
            } catch {
                // Where it is one of these, the writes fail in the same way, and at once.
                guard error.kind == .readOnly || error.kind == .diskFull else { throw error }
            }
        }
        (self.id, self.limits, self.registration) = (id, limits, registration)
        (self.committed, self.undetermined) = (committed, undetermined)
        duration = Metrics.Timer(
            label: "export_gateway_ledger_commit_duration_seconds",
            dimensions: [],
            preferredDisplayUnit: .seconds,
            factory: metrics
        )
        size = Recorder(
            label: "export_gateway_ledger_commit_writes",
            dimensions: [],
            aggregate: true,
            factory: metrics
        )
    }

    private static let open: SQLStatement = """
        INSERT INTO ledger_writer (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET used_at = clock_timestamp()
        """
    static let mark: SQLStatement = """
        INSERT INTO ledger_writer (id, last_group) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET last_group = excluded.last_group, used_at = clock_timestamp()
        """
    // With a lock, which waits for the lost transaction, and which a server that can only be read refuses.
    private static let marked: SQLStatement = "SELECT last_group FROM ledger_writer WHERE id = $1 FOR UPDATE"

    /// How many writes wait for a group.
    var waiting: Int { queue.withLock { $0.count } }

    /// Runs `body` in a group's transaction, and returns when it is committed.
    ///
    /// Throws what `body` throws, the `PostgreSQLError` of a failed statement or commit, `LedgerError` (`unavailable`) when too many
    /// writes wait or the ledger is closed, and, except for a creation, `CancellationError` when the task is cancelled before its
    /// turn. Nothing was changed then. A write that has begun is completed.
    func commit<Value: Sendable>(
        _ kind: PendingWrite.Kind,
        _ needs: WriteNeeds,
        refused: Result<Value, any Error> = .failure(GroupWriter.refusedByDatabase),
        _ body: @escaping @Sendable (GroupTransaction, Int) throws -> PendingWrite.Outcome<Value>
    ) async throws -> Value {
        if kind == .creation {
            return try await withCheckedThrowingContinuation { continuation in
                create(needs, body) { continuation.resume(with: $0) }
            }
        }
        try Task.checkCancellation()
        let number = queue.withLock { queue in
            queue.lastNumber += 1
            return queue.lastNumber
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                add(
                    PendingWrite(number: number, kind, needs, refused: refused, body) { continuation.resume(with: $0) }
                )
                // The task may have been cancelled before the write was added.
                if Task.isCancelled { cancel(number) }
            }
        } onCancel: {
            cancel(number)
        }
    }

    /// Runs `body` as a creation in a group's transaction, and calls `answer` once, when it is committed, with what `commit` would
    /// return or throw. It is called on the writer's thread, or at once where the write is refused.
    func create<Value: Sendable>(
        _ needs: WriteNeeds,
        _ body: @escaping @Sendable (GroupTransaction, Int) throws -> PendingWrite.Outcome<Value>,
        then answer: @escaping @Sendable (Result<Value, any Error>) -> Void
    ) {
        let refused: Result<Value, any Error> = .failure(Self.refusedByDatabase)
        add(PendingWrite(number: 0, .creation, needs, refused: refused, body, answer))
    }

    /// Refuses all waiting writes, and all later ones. Returns when the group under way has ended.
    func close() async {
        let refused = queue.withLock { queue in
            queue.isClosed = true
            return queue.takeAll()
        }
        for write in refused { write.fail(Self.closed) }
        await pool.close()
        // What the last group has put back.
        for write in queue.withLock({ $0.takeAll() }) { write.fail(Self.closed) }
        // Nobody tries any more to find out whether this group is stored.
        give(
            up: queue.withLock { queue in
                defer { queue.undetermined = nil }
                return queue.undetermined
            }
        )
    }

    private func add(_ write: PendingWrite) {
        let (refusal, isFirst) = queue.withLock { queue -> (LedgerError?, Bool) in
            if queue.isClosed { return (Self.closed, false) }
            if queue.count >= limits.queue { return (Self.full, false) }
            queue.append(write)
            let isFirst = !queue.isScheduled
            queue.isScheduled = true
            return (nil, isFirst)
        }
        if let refusal { return write.fail(refusal) }
        if isFirst { schedule() }
    }

    private func cancel(_ number: UInt64) {
        queue.withLock { $0.remove(number) }?.fail(CancellationError())
    }

    private func schedule() {
        pool.enqueue { connection in
            switch connection {
            case .success(let connection): self.next(connection)
            case .failure(let error): self.fail(error)
            }
            let isMore = self.queue.withLock { queue in
                queue.isScheduled = !queue.isClosed && (queue.count > 0 || queue.undetermined != nil)
                return queue.isScheduled
            }
            if isMore { self.schedule() }
        }
    }

    /// There is no connection: nothing of the writes that wait was sent.
    private func fail(_ error: PostgreSQLError) {
        let waiting = queue.withLock { $0.takeAll() }
        giveUpIfTooLate()
        for write in waiting { write.fail(error) }
    }

    /// The pause in microseconds between attempts to find out whether a group is stored.
    private static let attemptPause: UInt32 = 100_000

    private func giveUpIfTooLate() {
        let lost = queue.withLock { queue -> UndeterminedGroup? in
            guard let lost = queue.undetermined, lost.lostAt.duration(to: .now) >= limits.determination else {
                return nil
            }
            queue.undetermined = nil
            return lost
        }
        give(up: lost)
    }

    private func give(up lost: UndeterminedGroup?) {
        guard let lost else { return }
        undetermined()
        for write in lost.writes { write.fail(Self.unknownOutcome) }
    }

    private func next(_ connection: PostgreSQLConnection) {
        if let lost = queue.withLock({ $0.undetermined }) {
            do {
                let last = try connection.query(SQLQuery(Self.marked, [.text(id)])).first?.integer(0)
                queue.withLock { $0.undetermined = nil }
                if last == lost.number { return lost.answer() }
                writeAgain(lost.writes)
            } catch {
                giveUpIfTooLate()
                // The next attempt comes at once.
                usleep(Self.attemptPause)
                return
            }
        }
        gather()
        let group = queue.withLock { $0.takeGroup(of: limits.group) }
        if !group.isEmpty { write(group, connection) }
        // A write may have the last reference to the ledger, which must not be closed on this thread.
        Self.releases.async { withExtendedLifetime(group) {} }
    }

    private static let releases = DispatchQueue(label: "export-gateway.postgresql-ledger.releases")

    private func gather() {
        var (count, isDone) = queue.withLock { ($0.count, $0.recentSize < limits.company || $0.count >= limits.group) }
        for _ in 0..<limits.gatheringSteps where !isDone {
            usleep(limits.gathering)
            let now = waiting
            isDone = now == count || now >= limits.group
            count = now
        }
    }

    func writeAgain(_ writes: [PendingWrite]) {
        let (again, given) = (
            writes.filter { $0.attempts < limits.attempts }, writes.filter { $0.attempts >= limits.attempts }
        )
        queue.withLock { $0.putBack(again) }
        for write in given { write.fail(Self.lostTooOften) }
    }

    static let refusedByDatabase = LedgerError(.unavailable, "a statement has found nothing to change")
    private static let closed = LedgerError(.unavailable, "the ledger is closed")
    private static let full = LedgerError(.unavailable, "too many writes wait for the database")
    private static let lostTooOften = LedgerError(.unavailable, "the connection to the database was lost several times")
    private static let unknownOutcome = LedgerError(
        .unavailable,
        "the connection to the database was lost at a commit, and it could not be found out whether it took effect"
    )
}
