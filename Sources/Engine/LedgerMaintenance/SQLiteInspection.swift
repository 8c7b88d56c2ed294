import ExportLedger
import Exports
import GRDB

/// One state of a ledger in SQLite that is only read. A gateway may work on it meanwhile.
final class SQLiteInspection: InspectedLedger {
    private let path: String
    private let database: Database

    private init(_ path: String, _ database: Database) {
        (self.path, self.database) = (path, database)
    }

    /// Calls `body` with the ledger in the file. Throws `StartupError` for `ledger` where the file is none of this version.
    ///
    /// The file is opened for reading only: a connection that could write would move the log of a killed gateway into the file when it
    /// is closed, and the marker in the lock file would not fit any more.
    static func run<T>(_ path: String, _ body: (SQLiteInspection) throws -> T) throws -> T {
        try open(path) { database in
            // The first read decides which state is seen.
            try SQLiteLedger.refuseOtherSchema(database)
            return try body(SQLiteInspection(path, database))
        }
    }

    /// Opens the file for reading, in one transaction.
    static func open<T>(_ path: String, _ body: (Database) throws -> T) throws -> T {
        guard LedgerFiles(path: path).number != nil else { throw StartupError("ledger", "There is no file \(path).") }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            return try SQLiteSchema.naming(path) {
                let queue = try DatabaseQueue(path: path, configuration: configuration)
                defer { try? queue.close() }
                return try queue.read(body)
            }
        } catch let error as StartupError {
            throw StartupError("ledger", "\(path): \(error.detail)")
        }
    }

    func integrity() throws -> [LedgerFinding] { try Self.integrity(of: database) }

    /// What SQLite finds in a file, and whether a part of the schema is missing.
    static func integrity(of database: Database) throws -> [LedgerFinding] {
        let lines = try String.fetchAll(database, sql: "PRAGMA integrity_check(\(LedgerCheck.mostExamples))")
        var findings =
            lines == ["ok"]
            ? [LedgerFinding(subject: "file", isGood: true, detail: "SQLite finds it whole")]
            : lines.map { LedgerFinding(subject: "file", isGood: false, detail: $0) }
        let missing = Set(try SQLiteSchema.expectedIndexes().keys)
            .subtracting(try SQLiteSchema.indexes(of: database).keys)
        if !missing.isEmpty, try !database.tableExists(SQLiteLedger.unfinishedCopyTable) {
            let names = missing.sorted().joined(separator: ", ")
            findings.append(LedgerFinding(subject: "schema", isGood: false, detail: "indexes are missing: \(names)"))
        }
        return findings
    }

    var name: String { path }

    func count(of table: LedgerTable) throws -> Int64 { try table.count(in: database) }

    func read(_ table: LedgerTable, after key: RowKey?, into batch: inout RowBatch) throws {
        try table.read(in: database, after: key, into: &batch)
    }

    func lastNumbers() throws -> LastNumbers { try SQLiteSchema.lastNumbers(in: database) }

    func isUnfinishedCopy() throws -> Bool { try database.tableExists(SQLiteLedger.unfinishedCopyTable) }

    func number(_ sql: String) throws -> Int64 { try Int64.fetchOne(database, sql: sql) ?? 0 }

    func texts(_ sql: String) throws -> [String] { try String.fetchAll(database, sql: sql) }

    var rules: [LedgerRule] {
        LedgerRule.all(requestKey: "key", changes: "SELECT sequence, export_id, revision FROM export_event")
    }
}
