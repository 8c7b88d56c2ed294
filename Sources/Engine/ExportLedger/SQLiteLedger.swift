import Exports
import GRDB
public import Logging
public import Metrics
import Synchronization

/// The ledger in one SQLite file (write-ahead log, every commit forced to the disk).
public final class SQLiteLedger: Sendable {
    package let database: DatabasePool
    let unreadable: UnreadableRows
    let progress = UnwrittenProgress()
    let records = RecordWriter()
    let creationCredits = CreationCredits()
    let reads: RecordReads
    private let committer: GroupCommitter
    private let lock: LedgerLock
    private let files: LedgerFiles
    private let identity: LedgerFiles.Identity?
    private let isClosed = Atomic(false)

    /// Opens the file at `path`, creates it if there is none, and migrates its schema.
    ///
    /// The file belongs to this object while it lives, and only its user can read it. Throws `StartupError` for
    /// `ledger.path` when another process has it, when the directory is missing or cannot be written, when the disk is full,
    /// when the file is no ledger or belongs to a newer version, when a part of the ledger is missing, and when it is a copy that is
    /// not finished.
    ///
    /// - Parameters:
    ///   - isReclaimable: Whether a file that is made now can give pages back that are not used any more, when exports are purged. A
    ///     file that is there already stays as it is: to change it, SQLite writes all of it again (`VACUUM`).
    ///   - logger: Rows that cannot be read are logged at `error`.
    ///   - metrics: The number of such rows is a gauge; the time of a commit and the number of its writes are histograms.
    public convenience init(
        path: String,
        isReclaimable: Bool = false,
        logger: Logger = Logger(label: "ledger") { _ in SwiftLogNoOpLogHandler() },
        metrics: any MetricsFactory = NOOPMetricsHandler.instance
    ) throws {
        try self.init(
            path: path,
            acceptsUnfinishedCopy: false,
            isReclaimable: isReclaimable,
            logger: logger,
            metrics: metrics
        )
    }

    /// Opens the file like `init(path:logger:metrics:)`, and also one with ``unfinishedCopyTable``.
    package init(
        path: String,
        acceptsUnfinishedCopy: Bool,
        isReclaimable: Bool = false,
        logger: Logger = Logger(label: "ledger") { _ in SwiftLogNoOpLogHandler() },
        metrics: any MetricsFactory = NOOPMetricsHandler.instance
    ) throws {
        let lock = try LedgerLock(beside: path)
        let files = LedgerFiles(path: path)
        try files.refuseRemains(lock.marker)
        files.create()
        do {
            var configuration = Configuration()
            configuration.label = "ledger"
            configuration.busyMode = .timeout(5)
            // Before the write-ahead log is chosen, which writes the first page: later, this has no effect.
            if isReclaimable {
                configuration.prepareDatabase { database in
                    guard try Int.fetchOne(database, sql: "PRAGMA page_count") == 0 else { return }
                    try database.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
                }
            }
            let pool = try DatabasePool(path: path, configuration: configuration)
            // With a write-ahead log, GRDB sets NORMAL, which may lose the last commits in a power failure. It does that after
            // `prepareDatabase`, so FULL has to be set here.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            // Temporary data of savepoints and of sorting stays in memory, because there may be no directory for temporary files.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA temp_store = MEMORY") }
            try Self.migrate(pool)
            if !acceptsUnfinishedCopy { try Self.refuseUnfinishedCopy(pool) }
            database = pool
        } catch let error as StartupError {
            Self.markClosed(files, lock)
            throw error
        } catch let error as DatabaseError {
            Self.markClosed(files, lock)
            let isFull = error.resultCode == .SQLITE_FULL || files.isDiskFull
            throw StartupError(
                "ledger.path",
                "\(path) cannot be used as the ledger (SQLite: \(error.extendedResultCode)). "
                    + (isFull
                        ? "The disk of \(files.directory) is full: free space there, then start again."
                        : "It must be a file that the gateway made, on a local disk, writable with its directory.")
            )
        }
        files.makePrivate()
        let identity = files.identity
        self.identity = identity
        // From now on there is a `-wal`. If it is missing at the next start, somebody has removed it.
        if let identity { try lock.mark(LedgerMarker(file: identity.ledger, state: .open)) }
        self.lock = lock
        self.files = files
        unreadable = UnreadableRows(logger: logger, metrics: metrics)
        reads = RecordReads(database, adding: progress)
        committer = GroupCommitter(
            database,
            participant: progress,
            mayCreate: { try Self.check(identity, of: files) },
            metrics: metrics
        )
    }

    /// Called when the start has failed. Closing the file has moved the write-ahead log of a killed gateway into it, so a missing log
    /// does not mean that something is lost.
    private static func markClosed(_ files: LedgerFiles, _ lock: LedgerLock) {
        guard let number = files.number, lock.marker?.file == number, !files.hasLog else { return }
        try? lock.mark(LedgerMarker(file: number, state: .closed))
    }

    /// Where the file is.
    var path: String { files.path }

    /// The length of the write-ahead log.
    var logBytes: Int64 { files.logBytes }

    /// Whether it was not closed yet.
    var isOpen: Bool { !isClosed.load(ordering: .acquiring) }

    deinit { close() }

    /// Closes the ledger after the operations under way have ended. Everything is then in its file, and the lock file says so. Later calls
    /// fail.
    public func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        committer.close()
        reads.close()
        guard let identity, files.identity == identity else {
            try? database.close()
            return
        }
        // If this fails, the lost progress is polled from the upstreams again.
        try? writeProgress()
        // `closed` is written only after SQLite has closed the file. A kill in between leaves `closing`: there may be a `-wal` then, or
        // not.
        try? lock.mark(LedgerMarker(file: identity.ledger, state: .closing))
        let isClosed = (try? closePool()) != nil
        let isWhole = isClosed && !files.hasLog
        try? lock.mark(LedgerMarker(file: identity.ledger, state: isWhole ? .closed : .open))
    }

    private func writeProgress() throws {
        guard progress.count > 0 else { return }
        try database.writeWithoutTransaction { database in
            try database.inTransaction {
                try progress.write(to: database)
                return .commit
            }
        }
    }

    private func closePool() throws {
        // SQLite moves the log into the file when the last connection closes, if that is a writer. GRDB closes the writer first,
        // so the log is moved here.
        _ = try? database.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        database.releaseMemory()
        try database.close()
    }

    /// Throws `LedgerError` when the files are not those that were opened any more: new writes would be lost when the process ends.
    func checkPlace() throws {
        try Self.check(identity, of: files)
    }

    private static func check(_ identity: LedgerFiles.Identity?, of files: LedgerFiles) throws {
        guard files.identity != identity else { return }
        throw LedgerError(.unwritable, "the ledger's file was removed or replaced", impediment: .fileRemoved)
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        do {
            return try await database.read(body)
        } catch {
            throw wrap(error, isWriting: false)
        }
    }

    /// Writes with others, in one commit. See ``GroupCommitter``: `body` must not hold the ledger.
    func write<T: Sendable>(
        _ kind: GroupCommitter.Kind = .change,
        _ body: @escaping @Sendable (Database) throws -> T
    ) async throws -> T {
        do {
            return try await committer.commit(kind, body)
        } catch {
            throw wrap(error, isWriting: true)
        }
    }

    /// Writes a new export with others, in one commit, and calls `answer` with the outcome.
    func create<T: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> T,
        then answer: @escaping @Sendable (Result<T, any Error>) -> Void
    ) {
        // The closure holds the ledger until the answer, as a waiting task does.
        committer.create(body) { result in answer(result.mapError { self.wrap($0, isWriting: true) }) }
    }

    /// Writes in a transaction of its own: for changes of many rows, and for those that must not depend on the queue.
    func writeAlone<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        do {
            return try await database.write(body)
        } catch {
            throw wrap(error, isWriting: true)
        }
    }

    func wrap(_ error: any Error, isWriting: Bool) -> any Error {
        if let error = error as? LedgerError {
            if let row = error.row { unreadable.found(row) }
            return error
        }
        guard let error = error as? DatabaseError else { return error }
        let detail = "SQLite \(error.extendedResultCode)"
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_MISMATCH, .SQLITE_SCHEMA:
            return LedgerError(.corrupt, detail, cause: error)
        case .SQLITE_FULL where isWriting:
            return LedgerError(.unwritable, detail, cause: error, impediment: .diskFull)
        case .SQLITE_READONLY where isWriting:
            return LedgerError(.unwritable, detail, cause: error, impediment: .readOnly)
        case .SQLITE_IOERR where isWriting, .SQLITE_CANTOPEN where isWriting:
            let isFull = files.isDiskFull
            return LedgerError(.unwritable, detail, cause: error, impediment: isFull ? .diskFull : .writeFailed)
        default:
            return LedgerError(.unavailable, detail, cause: error)
        }
    }
}

extension SQLiteLedger {
    static func record(_ row: ExportRow) throws -> LedgerRecord { try row.record() }

    static let mostLeftOut = RowPage<Int>.mostLeftOut

    /// Reads a page of the rows of a cursor.
    static func page<Element, Value: Sendable>(
        _ rows: some Cursor<Element>,
        limit: Int,
        by id: ((Element) -> String)?,
        _ read: (Element) throws -> Value
    ) throws -> RowPage<Value> {
        try RowPage(limit: limit, by: id, next: { try rows.next() }, read: read)
    }
}
