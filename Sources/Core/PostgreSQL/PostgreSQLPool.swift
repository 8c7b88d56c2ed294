public import Exports

/// Connections to a database, each on a thread of its own, for callers that must not block.
///
/// Connections are opened when they are needed, and closed when they were idle for a while. Where the server cannot be reached, one is
/// opened again after 100 ms, doubled up to 5 s, less up to half by `randomness`.
public final class PostgreSQLPool: Sendable {
    /// The limits of a pool.
    public struct Limits: Sendable, Hashable {
        /// How many connections there are at most.
        public var connections = 4
        /// How many calls wait for a connection at most. Further ones fail with `tooManyWaiting`.
        public var waiting = 10_000
        /// How long a call waits, at most, while no connection can be opened. It then fails with the error of the last attempt, up to
        /// `connectTimeout` later. An error that waiting cannot help (``PostgreSQLError/isPermanent``) fails it at once.
        public var patience: Duration = .seconds(5)
        /// After how long without use a connection is closed.
        public var idleTime: Duration = .seconds(60)

        /// The defaults.
        public init() {}
    }

    /// What a pool does at the moment.
    public struct Load: Sendable, Hashable {
        /// The open connections.
        public var open: Int
        /// The open connections that are not in use.
        public var idle: Int
        /// The calls that wait for a connection.
        public var waiting: Int
    }

    private let workers: PoolWorkers

    /// Makes a pool. Nothing is opened yet.
    ///
    /// - Parameter prepare: Called with each new connection, such as for `SET`. What it throws counts as a failure to open.
    public init(
        _ settings: PostgreSQLSettings,
        limits: Limits = Limits(),
        randomness: Randomness,
        prepare: @escaping @Sendable (PostgreSQLConnection) throws(PostgreSQLError) -> Void = { _ in }
    ) {
        precondition(limits.connections > 0, "a pool without connections")
        workers = PoolWorkers(limits, backOff: BackOff(randomness: randomness)) { interrupter throws(PostgreSQLError) in
            let connection = try PostgreSQLConnection(settings, interrupter: interrupter)
            try prepare(connection)
            return connection
        }
    }

    deinit { workers.stop() }

    /// Runs `body` with a connection, on its thread, in the order of the calls, and returns what it returns.
    ///
    /// A transaction that `body` leaves open is rolled back. `body` is never run twice. Throws what it throws, `PostgreSQLError`, or
    /// `CancellationError` where the task was cancelled before `body` began; afterwards a cancellation has no effect.
    public func run<T: Sendable>(_ body: @escaping @Sendable (PostgreSQLConnection) throws -> T) async throws -> T {
        let number = workers.newNumber()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<T, any Error>) in
                workers.add(number) { given in
                    continuation.resume(with: Result { try body(given.get()) })
                }
                // The task may have been cancelled before its call was added.
                if Task.isCancelled { workers.cancel(number) }
            }
        } onCancel: {
            workers.cancel(number)
        }
    }

    /// Like ``run(_:)``, for callers without a task: `body` is called exactly once, with a connection or the error, on a thread of the
    /// pool, or on the caller's where the pool is full or closed. The connection must not be used after `body` has returned.
    public func enqueue(_ body: @escaping @Sendable (Result<PostgreSQLConnection, PostgreSQLError>) -> Void) {
        workers.add(workers.newNumber()) { given in
            switch given {
            case .success(let connection): body(.success(connection))
            case .failure(let error as PostgreSQLError): body(.failure(error))
            case .failure: body(.failure(PostgreSQLError(.closed, message: "The call was cancelled.")))
            }
        }
    }

    /// What the pool does at the moment.
    public var load: Load { workers.load }

    /// Fails the calls that wait with `closed`, and closes connections as soon as what runs on them has ended. Returns when all
    /// threads have ended. Later calls fail with `closed`.
    public func close() async {
        workers.stop()
        await workers.ended()
    }
}
