import Exports
import GRDB
public import Logging
public import Metrics
import Synchronization

/// The ledger in one SQLite file (write-ahead log, every commit forced to the disk), or in memory.
public final class SQLiteLedger: Sendable {
    let database: any DatabaseWriter
    let unreadable: UnreadableRows
    let progress = UnwrittenProgress()
    let records = RecordWriter()
    let reads: RecordReads
    private let committer: GroupCommitter
    private let lock: LedgerLock?
    private let files: LedgerFiles?
    private let identity: LedgerFiles.Identity?
    private let isClosed = Atomic(false)

    /// Opens the file at `path`, creates it if there is none, and migrates its schema.
    ///
    /// The file belongs to this object while it lives, and only its user can read it. Throws `StartupError` for
    /// `ledger.path` when another process has it, when the directory is missing or cannot be written, when the disk is full,
    /// when the file is no ledger or belongs to a newer version, and when a part of the ledger is missing.
    ///
    /// - Parameters:
    ///   - logger: Rows that cannot be read are logged at `error`.
    ///   - metrics: The number of such rows is a gauge; the time of a commit and the number of its writes are histograms.
    public init(
        path: String,
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
            let pool = try DatabasePool(path: path, configuration: configuration)
            // GRDB sets NORMAL for a write-ahead log, which may lose the last commits with the power; it does so after
            // `prepareDatabase`, so that this must come later still.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            // What a savepoint needs to be undone, and what an index is sorted in, stays in memory: there may be no place for
            // temporary files.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA temp_store = MEMORY") }
            try Self.migrate(pool)
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
        // From here on the `-wal` is there: when it is not at the next start, something was taken away.
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

    /// A start that failed has closed the file again, and so moved the log of a gateway that was killed into it: that this is gone
    /// does not mean that anything is missing.
    private static func markClosed(_ files: LedgerFiles, _ lock: LedgerLock) {
        guard let number = files.number, lock.marker?.file == number, !files.hasLog else { return }
        try? lock.mark(LedgerMarker(file: number, state: .closed))
    }

    private init(inMemory configuration: Configuration) throws {
        (lock, files, identity) = (nil, nil, nil)
        unreadable = UnreadableRows(
            logger: Logger(label: "ledger") { _ in SwiftLogNoOpLogHandler() },
            metrics: NOOPMetricsHandler.instance
        )
        database = try DatabaseQueue(configuration: configuration)
        try Self.migrate(database)
        reads = RecordReads(database, adding: progress)
        committer = GroupCommitter(database, participant: progress, metrics: NOOPMetricsHandler.instance)
    }

    /// A ledger that exists as long as the object: for tests and trials.
    public static func inMemory() throws -> SQLiteLedger {
        try SQLiteLedger(inMemory: Configuration())
    }

    /// Where the file is; nil in memory.
    var path: String? { files?.path }

    deinit { close() }

    /// Closes the ledger when nothing is under way any more. Everything is then in its file, and the lock file says so. Later
    /// calls fail.
    public func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        committer.close()
        reads.close()
        guard let lock, let identity, files?.identity == identity else {
            try? database.close()
            return
        }
        // What is lost of it when this fails is asked of the upstreams again.
        try? writeProgress()
        // `closed` only after SQLite has: what a kill leaves in between is taken for neither.
        try? lock.mark(LedgerMarker(file: identity.ledger, state: .closing))
        let isClosed = (try? closePool()) != nil
        let isWhole = isClosed && files?.hasLog == false
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
        // SQLite moves the log into the file when the last connection closes, which must be the writer: GRDB closes it first, and
        // a reader cannot.
        if let pool = database as? DatabasePool {
            _ = try? pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
            pool.releaseMemory()
        }
        try database.close()
    }

    /// Throws `LedgerError` when the files are not those that were opened: what is written now would be lost with the process.
    func checkPlace() throws {
        guard let files else { return }
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
            let isFull = files?.isDiskFull ?? false
            return LedgerError(.unwritable, detail, cause: error, impediment: isFull ? .diskFull : .writeFailed)
        default:
            return LedgerError(.unavailable, detail, cause: error)
        }
    }
}

extension SQLiteLedger {
    /// The record in a row. Throws `LedgerError` (`corrupt`) that names the row.
    static func record(_ row: Row) throws -> LedgerRecord {
        try naming(.export, row, id: nil) { try LedgerRecord(row) }
    }

    /// Reads a row; what cannot be read is named in the error.
    static func naming<Value>(
        _ table: UnreadableRow.Table,
        _ row: Row,
        id: String?,
        _ read: () throws -> Value
    ) throws -> Value {
        do {
            return try read()
        } catch var error as LedgerError where error.column != nil {
            let export: String = row[table == .export ? "id" : "export_id"]
            error.row = UnreadableRow(table: table, export: export, id: id, column: error.column ?? "")
            if table == .export { error.owner = row["created_by"] }
            throw error
        }
    }

    /// The values that were read from some rows.
    struct Page<Value: Sendable>: Sendable {
        var values: [Value] = []
        var leftOut: [UnreadableRow] = []
        var hasMore = false
        /// After which id the next page goes on, where this one ends in a stretch of rows that cannot be read.
        var stoppedAt: ExportID?
    }

    /// After so many rows that cannot be read a page ends, however few values it has: what one call may cost is bounded. Only rows
    /// whose very ids cannot be read are passed over without an end, because no page could begin there.
    static let mostLeftOut = 1000

    /// Reads rows until there are `limit` values, and whether there is another one. Rows that cannot be read are left out.
    ///
    /// - Parameter id: The column of the id by which pages are told apart; nil where there is one page.
    static func page<Value: Sendable>(
        _ rows: RowCursor,
        limit: Int,
        by id: String?,
        _ read: (Row) throws -> Value
    ) throws -> Page<Value> {
        var page = Page<Value>()
        var beyond = 0
        while let row = try rows.next() {
            do {
                let value = try read(row)
                if page.values.count == limit {
                    page.hasMore = true
                    return page
                }
                page.values.append(value)
            } catch let error as LedgerError where error.row != nil {
                // What comes after the page is the next one's.
                if page.values.count < limit, let row = error.row { page.leftOut.append(row) } else { beyond += 1 }
                guard page.leftOut.count + beyond >= mostLeftOut, let id else { continue }
                guard page.values.count < limit else {
                    page.hasMore = true
                    return page
                }
                guard let place = ExportID(row[id] as String) else { continue }
                (page.hasMore, page.stoppedAt) = (true, place)
                return page
            }
        }
        return page
    }
}
