import Exports
import GRDB

/// The ledger in one SQLite file (write-ahead log, every commit forced to the disk), or in memory.
public final class SQLiteLedger: Sendable {
    let database: any DatabaseWriter
    private let lock: LedgerLock?

    /// Opens the file at `path`, makes it where there is none, and brings its schema up to date.
    ///
    /// The file is this object's alone while it lives. Throws `StartupError` for `ledger.path` when another process has
    /// it, when the directory is missing or cannot be written, when the file is no ledger, or is a newer version's.
    public init(path: String) throws {
        lock = try LedgerLock(beside: path)
        do {
            var configuration = Configuration()
            configuration.label = "ledger"
            configuration.busyMode = .timeout(5)
            let pool = try DatabasePool(path: path, configuration: configuration)
            // GRDB sets NORMAL for a write-ahead log, which may lose the last commits with the power; it does so after
            // `prepareDatabase`, so that this must come later still.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            try Self.migrate(pool)
            database = pool
        } catch let error as StartupError {
            throw error
        } catch let error as DatabaseError {
            throw StartupError(
                "ledger.path",
                "\(path) cannot be used as the ledger (SQLite: \(error.extendedResultCode)). "
                    + "It must be a file that the gateway made, on a local disk, writable with its directory."
            )
        }
    }

    private init(inMemory configuration: Configuration) throws {
        lock = nil
        database = try DatabaseQueue(configuration: configuration)
        try Self.migrate(database)
    }

    /// A ledger that is gone with the object: for tests and trials.
    public static func inMemory() throws -> SQLiteLedger {
        try SQLiteLedger(inMemory: Configuration())
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        do {
            return try await database.read(body)
        } catch let error as DatabaseError {
            throw Self.wrap(error)
        }
    }

    func write<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        do {
            return try await database.write(body)
        } catch let error as DatabaseError {
            throw Self.wrap(error)
        }
    }

    private static func wrap(_ error: DatabaseError) -> LedgerError {
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_MISMATCH, .SQLITE_SCHEMA:
            LedgerError(.corrupt, "SQLite \(error.extendedResultCode)", cause: error)
        default:
            LedgerError(.unavailable, "SQLite \(error.extendedResultCode)", cause: error)
        }
    }
}
