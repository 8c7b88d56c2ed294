import ExportLedger
public import Exports
public import Logging
public import Metrics
public import PostgreSQL
import Synchronization

/// The ledger in a PostgreSQL database, which several replicas share.
///
/// **Connections.** At most seven for each replica: three for reads, and one each for writes, for the registration and the leases, for
/// the publication of changes, and for notifications. Each is opened when it is needed.
///
/// **Without replicas.** Before ``join(lifetime:leases:secrets:)`` was called for the first time, an object is the ledger of a program that
/// works alone, such as one that copies exports: an update with a fence is then compared with the fence only. From the first call
/// on, and for ever, it is compared with the leases too.
public final class PostgreSQLLedger: Sendable {
    let reads: PostgreSQLPool
    let control: PostgreSQLPool
    let writer: GroupWriter
    let publisher: Publisher
    let feed: ChangeFeed
    let registration: Registration
    let unreadable: UnreadableRows
    let records: RecordBatches
    let randomness: Randomness
    let time: any TimeSource
    /// Names this object in the database.
    let id: String
    private let isClosed = Atomic(false)

    /// Connects to the database, and brings its tables to the version of this program.
    ///
    /// Throws `StartupError` for `ledger.url` when the server cannot be reached or refuses the login, when there is no such database,
    /// when its tables belong to a newer version, and when they cannot be made.
    ///
    /// - Parameters:
    ///   - randomness: Where the ids of replicas come from, and the pauses between attempts to connect.
    ///   - logger: Rows that cannot be read are logged at `error`.
    ///   - metrics: The number of such rows is a gauge; the time of a commit and the number of its writes are histograms.
    public convenience init(
        _ settings: PostgreSQLSettings,
        randomness: Randomness,
        time: any TimeSource = SystemTime(),
        logger: Logger = Logger(label: "ledger") { _ in SwiftLogNoOpLogHandler() },
        metrics: any MetricsFactory = NOOPMetricsHandler.instance
    ) async throws {
        try await self.init(
            settings,
            writing: GroupWriter.Limits(),
            randomness: randomness,
            time: time,
            logger: logger,
            metrics: metrics
        )
    }

    init(
        _ settings: PostgreSQLSettings,
        writing: GroupWriter.Limits,
        randomness: Randomness,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) async throws {
        var limits = PostgreSQLPool.Limits()
        (limits.connections, limits.patience) = (3, min(writing.patience, .seconds(2)))
        // Callers wait for reads: an answer that comes later than this is of no use to them.
        var reading = settings
        (reading.answerTimeout, reading.statementTimeout, reading.lockTimeout) = (.seconds(5), .seconds(4), .seconds(3))
        reads = PostgreSQLPool(reading, limits: limits, randomness: randomness, prepare: Planner.prepare)
        do {
            try await reads.run { try Migrator.migrate($0) }
        } catch {
            await reads.close()
            guard let error = error as? PostgreSQLError else { throw error }
            throw StartupError("ledger.url", "The database cannot be used: \(error)")
        }
        id = "\(randomness.newID(at: time.now()))"
        unreadable = UnreadableRows(logger: logger, metrics: metrics)
        registration = Registration()
        records = RecordBatches(reads)
        // A registration is short: what does not answer in time is as good as lost.
        var short = settings
        (short.answerTimeout, short.statementTimeout, short.lockTimeout) = (.seconds(5), .seconds(4), .seconds(3))
        var shortLimits = PostgreSQLPool.Limits()
        (shortLimits.connections, shortLimits.patience) = (1, .seconds(2))
        control = PostgreSQLPool(short, limits: shortLimits, randomness: randomness)
        let publisher = Publisher(settings, randomness: randomness)
        self.publisher = publisher
        feed = ChangeFeed(settings, randomness: randomness, time: time, registration: registration)
        writer = GroupWriter(
            settings,
            id: id,
            limits: writing,
            randomness: randomness,
            registration: { [registration] in registration.id },
            committed: { publisher.publishSoon() },
            undetermined: { [registration] in registration.drop() },
            metrics: metrics
        )
        (self.randomness, self.time) = (randomness, time)
        try? await reads.run { [id] connection in
            _ = try connection.query(SQLQuery(Self.register, [.text(Self.probe(id))]))
            _ = try connection.query("DELETE FROM ledger_writer WHERE used_at < clock_timestamp() - interval '1 day'")
        }
    }

    private static let register: SQLStatement =
        "INSERT INTO ledger_writer (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET used_at = clock_timestamp()"

    /// The row that ``impediment()`` writes: not the writer's own, which a group may have locked.
    static func probe(_ id: String) -> String { id + "/probe" }

    /// Closes all connections after what is under way has ended. Later calls fail. A registration stays until it expires: see
    /// ``leave()``.
    public func close() async {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        await writer.close()
        await publisher.close()
        await feed.close()
        await control.close()
        await reads.close()
    }

    /// Runs `body`, which changes nothing, with a connection for reads. Once more where the connection was lost: after a restart of the
    /// server, that is how it is noticed.
    func read<T: Sendable>(_ body: @escaping @Sendable (PostgreSQLConnection) throws -> T) async throws -> T {
        do {
            do {
                return try await reads.run(body)
            } catch let error as PostgreSQLError where error.kind == .connectionLost {
                return try await reads.run(body)
            }
        } catch {
            throw wrap(error, isWriting: false)
        }
    }

    /// Writes outside of a group: what may be repeated where the answer is lost.
    func writeAlone<T: Sendable>(_ body: @escaping @Sendable (PostgreSQLConnection) throws -> T) async throws -> T {
        do {
            return try await reads.run(body)
        } catch {
            throw wrap(error, isWriting: true)
        }
    }

    /// Writes with others, in one commit. See ``GroupWriter``.
    func write<T: Sendable>(
        _ kind: PendingWrite.Kind = .change,
        _ needs: WriteNeeds,
        refused: Result<T, any Error> = .failure(GroupWriter.refusedByDatabase),
        _ body: @escaping @Sendable (GroupTransaction, Int) throws -> PendingWrite.Outcome<T>
    ) async throws -> T {
        do {
            return try await writer.commit(kind, needs, refused: refused, body)
        } catch {
            throw wrap(error, isWriting: true)
        }
    }

    func wrap(_ error: any Error, isWriting: Bool) -> any Error {
        if let error = error as? LedgerError {
            if let row = error.row { unreadable.found(row) }
            return error
        }
        guard let error = error as? PostgreSQLError else { return error }
        return LedgerError(error, isWriting: isWriting)
    }
}

extension LedgerError {
    init(_ error: PostgreSQLError, isWriting: Bool) {
        let detail = "PostgreSQL: \(error)"
        switch (error.kind, error.sqlState) {
        case (.diskFull, _) where isWriting: self.init(.unwritable, detail, cause: error, impediment: .diskFull)
        case (.readOnly, _) where isWriting: self.init(.unwritable, detail, cause: error, impediment: .readOnly)
        case (_, "58030"?) where isWriting: self.init(.unwritable, detail, cause: error, impediment: .writeFailed)
        case (_, "XX001"?), (_, "XX002"?): self.init(.corrupt, detail, cause: error)
        default: self.init(.unavailable, detail, cause: error)
        }
    }
}

/// The registration of this process as a replica, as far as it knows.
final class Registration: Sendable {
    struct Value: Sendable {
        var id: String
        var lifetime: Duration
        var leases: [String]
        /// Whether it must not be renewed, because the outcome of a write is not known.
        var isDropped = false
    }

    private let present = Mutex<Value?>(nil)

    /// Nil before the first registration. It stays after the registration has ended, so that nothing is written that another replica
    /// may work on.
    var id: String? { present.withLock { $0?.id } }
    var value: Value? { present.withLock { $0 } }

    func set(_ value: Value) { present.withLock { $0 = value } }
    func drop() { present.withLock { $0?.isDropped = true } }
}
