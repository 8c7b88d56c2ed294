import Dispatch
import Exports
import GRDB
import Metrics
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Follows the writes of a group, for state that is valid only if they are committed. Called on the writer queue.
protocol GroupParticipant: Sendable {
    /// The next write of the group begins.
    func writeBegins()
    /// The last write is rolled back.
    func writeIsUndone()
    func groupEnds(isCommitted: Bool)
}

/// Commits writes in groups (group commit). Writes that come while one commit is being synced to the disk are written with the
/// next one, so that many callers share the time of the disk.
///
/// A write is a closure over the database. The writes of a group run one after the other in one transaction, each in its own
/// savepoint. A write that throws is rolled back alone, and its caller gets the error. Callers are answered after the commit.
/// When the commit fails, all callers of the group get the error, and nothing was changed. A group that changes nothing writes
/// nothing.
///
/// It runs on GRDB's writer queue, which is serial, so that it takes turns with all other writes.
final class GroupCommitter: Sendable {
    struct Limits: Sendable, Hashable {
        /// The most writes of one group.
        var group = 128
        /// The most writes that wait for a group. A further one is refused as `unavailable`.
        var queue = 8192
        /// The length in microseconds of one step in which a group is gathered. If one of the last few groups had at least `company`
        /// writes, the committer waits one or more steps, as long as writes come. A single writer is not delayed, and many
        /// writers share the cost of a commit.
        var gathering: UInt32 = 300
        var gatheringSteps = 10
        var company = 4
    }

    enum Kind: Sendable {
        /// A caller waits for a new export. These writes come first in a group; a quarter of each group's places is kept for the
        /// others.
        case creation
        case change
    }

    private struct Pending: Sendable {
        /// Identifies a change, so that it can be cancelled.
        var number: UInt64
        var kind: Kind
        /// Does the work in the open transaction, and returns what to do after the commit.
        var work: @Sendable (Database) throws -> @Sendable () -> Void
        var fail: @Sendable (any Error) -> Void

        init<Value: Sendable>(
            number: UInt64,
            _ kind: Kind,
            _ body: @escaping @Sendable (Database) throws -> Value,
            _ answer: @escaping @Sendable (Result<Value, any Error>) -> Void
        ) {
            self.number = number
            self.kind = kind
            work = { database in
                let value = try body(database)
                return { answer(.success(value)) }
            }
            fail = { answer(.failure($0)) }
        }
    }

    private struct State {
        var creations: [Pending] = []
        var changes: [Pending] = []
        var lastNumber: UInt64 = 0
        var isScheduled = false
        var isClosed = false
        /// The number of writes of the last group, or half of the former value, whichever is larger. So one group with a single write
        /// does not end the gathering.
        var recentSize = 0

        var count: Int { creations.count + changes.count }

        /// The next group, creations first.
        mutating func takeGroup(of limit: Int) -> [Pending] {
            let reserved = min(changes.count, max(1, limit / 4))
            let first = creations.prefix(max(1, limit - reserved))
            creations.removeFirst(first.count)
            let others = changes.prefix(limit - first.count)
            changes.removeFirst(others.count)
            recentSize = max(first.count + others.count, recentSize / 2)
            return Array(first + others)
        }
    }

    private let database: any DatabaseWriter
    private let limits: Limits
    private let participant: (any GroupParticipant)?
    private let mayCreate: @Sendable () throws -> Void
    private let state = Mutex(State())
    private let duration: Metrics.Timer
    private let size: Recorder

    /// - Parameter mayCreate: Called once for each group with new exports. If it throws, their callers get the error.
    init(
        _ database: any DatabaseWriter,
        limits: Limits = Limits(),
        participant: (any GroupParticipant)? = nil,
        mayCreate: @escaping @Sendable () throws -> Void = {},
        metrics: any MetricsFactory
    ) {
        self.database = database
        self.participant = participant
        self.mayCreate = mayCreate
        self.limits = limits
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

    /// How many writes wait for a group.
    var waiting: Int { state.withLock { $0.count } }

    /// Runs `body` in a group's transaction, and returns when the transaction is on the disk.
    ///
    /// Throws what `body` throws, the `DatabaseError` of a failed commit, `LedgerError` (`unavailable`) when too many writes
    /// wait or the ledger is closed, and, for a change, `CancellationError` when the task is cancelled before its turn. Nothing was
    /// changed then. A write that has begun is completed, and a creation is not cancelled at all.
    func commit<Value: Sendable>(
        _ kind: Kind,
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        switch kind {
        case .creation:
            return try await withCheckedThrowingContinuation { continuation in
                create(body) { continuation.resume(with: $0) }
            }
        case .change:
            try Task.checkCancellation()
            let number = state.withLock { state in
                state.lastNumber += 1
                return state.lastNumber
            }
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    add(Pending(number: number, kind, body) { continuation.resume(with: $0) })
                    // The task may have been cancelled before the write was added.
                    if Task.isCancelled { cancel(number) }
                }
            } onCancel: {
                cancel(number)
            }
        }
    }

    /// Runs `body` as a creation in a group's transaction, and calls `answer` once, when the transaction is on the disk, with
    /// what `commit` would return or throw. It is called on the writer queue, or at once where the write is refused.
    func create<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value,
        then answer: @escaping @Sendable (Result<Value, any Error>) -> Void
    ) {
        add(Pending(number: 0, .creation, body, answer))
    }

    /// Refuses all waiting writes, and all later ones.
    func close() {
        let refused = state.withLock { state in
            state.isClosed = true
            let refused = state.creations + state.changes
            (state.creations, state.changes) = ([], [])
            return refused
        }
        for pending in refused { pending.fail(Self.closed) }
    }

    private func add(_ pending: Pending) {
        let (refusal, isFirst) = state.withLock { state -> (LedgerError?, Bool) in
            if state.isClosed { return (Self.closed, false) }
            if state.count >= limits.queue { return (Self.full, false) }
            switch pending.kind {
            case .creation: state.creations.append(pending)
            case .change: state.changes.append(pending)
            }
            let isFirst = !state.isScheduled
            state.isScheduled = true
            return (nil, isFirst)
        }
        if let refusal { return pending.fail(refusal) }
        if isFirst { schedule() }
    }

    private func cancel(_ number: UInt64) {
        let pending = state.withLock { state -> Pending? in
            state.changes.firstIndex { $0.number == number }.map { state.changes.remove(at: $0) }
        }
        pending?.fail(CancellationError())
    }

    private func schedule() {
        database.asyncWriteWithoutTransaction { database in
            self.gather()
            let group = Group(self.state.withLock { $0.takeGroup(of: self.limits.group) })
            self.commitGroup(group.writes, database)
            // A write may have the last reference to the ledger, which must not be closed on this queue.
            Self.releases.async { group.release() }
        }
    }

    private func gather() {
        var (count, isDone) = state.withLock { ($0.count, $0.recentSize < limits.company || $0.count >= limits.group) }
        for _ in 0..<limits.gatheringSteps where !isDone {
            usleep(limits.gathering)
            let now = waiting
            isDone = now == count || now >= limits.group
            count = now
        }
    }

    private static let releases = DispatchQueue(label: "export-gateway.ledger.releases")

    /// The writes of a group, until they are released.
    private final class Group: Sendable {
        private let kept: Mutex<[Pending]>

        init(_ writes: [Pending]) { kept = Mutex(writes) }

        var writes: [Pending] { kept.withLock { $0 } }

        func release() {
            let writes = kept.withLock { kept in
                defer { kept = [] }
                return kept
            }
            withExtendedLifetime(writes) {}
        }
    }

    private func commitGroup(_ group: [Pending], _ database: Database) {
        let left = group.isEmpty ? [] : commit(group, database)
        let isMore = state.withLock { state in
            // These writes came before those that wait now.
            state.changes.insert(contentsOf: left, at: 0)
            state.isScheduled = state.count > 0
            return state.isScheduled
        }
        if isMore { schedule() }
    }

    /// Runs the writes. Returns those that were not begun because the transaction had already ended.
    private func commit(_ group: [Pending], _ database: Database) -> ArraySlice<Pending> {
        let start = ContinuousClock.now
        var begun: [(pending: Pending, outcome: Result<@Sendable () -> Void, any Error>)] = []
        do {
            try database.inTransaction(.immediate) {
                let refusal = group.contains { $0.kind == .creation } ? Self.error(of: mayCreate) : nil
                for pending in group {
                    // A single write needs no savepoint: it is rolled back with the transaction.
                    let isAlone = group.count == 1
                    if !isAlone { try database.cachedStatement(sql: "SAVEPOINT one_write").execute() }
                    participant?.writeBegins()
                    let outcome = Result {
                        if let refusal, pending.kind == .creation { throw refusal }
                        return try pending.work(database)
                    }
                    begun.append((pending, outcome))
                    if case .failure(let error) = outcome {
                        // Some failures, such as a full disk, end the whole transaction, and its savepoints with it.
                        guard !isAlone, database.isInsideTransaction else { throw error }
                        try database.cachedStatement(sql: "ROLLBACK TO one_write").execute()
                        participant?.writeIsUndone()
                    }
                    if !isAlone { try database.cachedStatement(sql: "RELEASE one_write").execute() }
                }
                return .commit
            }
        } catch {
            participant?.groupEnds(isCommitted: false)
            // If the transaction could not be begun, all writes of the group fail.
            for pending in begun.isEmpty ? group : begun.map(\.pending) { pending.fail(error) }
            return begun.isEmpty ? [] : group[begun.count...]
        }
        participant?.groupEnds(isCommitted: true)
        duration.recordNanoseconds((ContinuousClock.now - start).nanoseconds)
        size.record(group.count)
        for (pending, outcome) in begun {
            switch outcome {
            case .success(let answer): answer()
            case .failure(let error): pending.fail(error)
            }
        }
        return []
    }

    private static func error(of body: () throws -> Void) -> (any Error)? {
        do {
            try body()
            return nil
        } catch {
            return error
        }
    }

    private static let closed = LedgerError(.unavailable, "the ledger is closed")
    private static let full = LedgerError(.unavailable, "too many writes wait for the disk")
}

extension Duration {
    fileprivate var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
