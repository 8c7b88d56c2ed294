import ExportLedger
import Exports
import GRDB

/// The tables of a ledger in SQLite, under the lock that a gateway would take.
final class SQLiteTables: LedgerTarget {
    let name: String
    private let ledger: SQLiteLedger

    /// Opens a ledger to be copied, and migrates it. Throws `StartupError` for `--from`.
    init(source path: String) throws {
        name = path
        ledger = try Self.naming("--from") {
            guard LedgerFiles(path: path).number != nil else { throw StartupError("", "There is no file \(path).") }
            return try SQLiteLedger(path: path)
        }
    }

    /// Opens the ledger that a copy is to be, or makes it. Throws `StartupError` for `--to`.
    init(target path: String) throws {
        name = path
        ledger = try Self.naming("--to") { try SQLiteLedger(path: path, acceptsUnfinishedCopy: true) }
    }

    private static func naming<T>(_ option: String, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as StartupError {
            throw StartupError(option, error.detail)
        }
    }

    func close() { ledger.close() }

    func count(of table: LedgerTable) throws -> Int64 { try reading { try table.count(in: $0) } }

    func read(_ table: LedgerTable, after key: RowKey?, into batch: inout RowBatch) throws {
        try reading { try table.read(in: $0, after: key, into: &batch) }
    }

    func lastNumbers() throws -> LastNumbers { try reading(SQLiteSchema.lastNumbers) }

    func lastKey(of table: LedgerTable) throws -> RowKey? {
        try reading { database in
            let row = try RawStatement(table.selectLastInSQLite, in: database)
            guard try row.next() else { return nil }
            var batch = RowBatch()
            try row.append(to: &batch, of: table)
            return batch.lastKey(in: table)
        }
    }

    func copyRecord() throws -> CopyRecord? {
        try reading { database in
            guard try database.tableExists(SQLiteLedger.unfinishedCopyTable) else { return nil }
            return try Row.fetchOne(database, sql: "SELECT source, state FROM \(SQLiteLedger.unfinishedCopyTable)")
                .map { CopyRecord(source: $0["source"], state: $0["state"]) }
        }
    }

    func begin(_ record: CopyRecord) throws {
        try writing { database in
            try database.execute(
                sql:
                    "CREATE TABLE \(SQLiteLedger.unfinishedCopyTable) (source TEXT NOT NULL, state TEXT NOT NULL) STRICT"
            )
            try database.execute(
                sql: "INSERT INTO \(SQLiteLedger.unfinishedCopyTable) (source, state) VALUES (?, ?)",
                arguments: [record.source, record.state]
            )
            // To make an index of all rows at once takes a fraction of the time. Rows are found by their export's id meanwhile.
            for name in try SQLiteSchema.indexes(of: database).keys where name != "export_by_id" {
                try database.execute(sql: "DROP INDEX \(name)")
            }
        }
        try resume()
    }

    func resume() throws {
        try outside { database in
            // A copy that loses its last batches in a power failure copies them again. The foreign keys are checked at the end. Indexes
            // are sorted in files, because they may be larger than the memory.
            try database.execute(
                sql: """
                    PRAGMA synchronous = NORMAL;
                    PRAGMA foreign_keys = OFF;
                    PRAGMA wal_autocheckpoint = 8192;
                    PRAGMA cache_size = -32768;
                    PRAGMA temp_store = FILE;
                    """
            )
        }
    }

    func insert(_ batch: RowBatch, into table: LedgerTable) throws {
        try writing { database in
            let statement = try RawStatement(table.insertInSQLite, in: database)
            for row in 0..<batch.count {
                try batch.forEachValue(of: row) { column, value in
                    try statement.bind(value, table.columns[column].kind, at: CInt(column) + 1)
                }
                try statement.run()
            }
        }
    }

    func complete(_ last: LastNumbers) throws {
        try writing { try SQLiteSchema.setLastNumbers(last, in: $0) }
        for (name, sql) in try SQLiteSchema.expectedIndexes().sorted(by: { $0.key < $1.key }) {
            try writing { database in
                if try SQLiteSchema.indexes(of: database)[name] == nil { try database.execute(sql: sql) }
            }
        }
        if let violation = try reading({ try Row.fetchOne($0, sql: "PRAGMA foreign_key_check") }) {
            throw MaintenanceError(
                "\(name): a row of \(violation["table"] as String) belongs to an export that does not exist. "
                    + "`export-gateway ledger check` names such rows. Remove them and the copy, and begin again."
            )
        }
    }

    func finish() throws {
        try outside { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        try writing { try $0.execute(sql: "DROP TABLE \(SQLiteLedger.unfinishedCopyTable)") }
        try outside { _ = try $0.checkpoint(.truncate) }
    }

    private func reading<T>(_ body: (Database) throws -> T) throws -> T {
        try SQLiteSchema.naming(name) { try ledger.database.read(body) }
    }
    private func writing(_ body: (Database) throws -> Void) throws {
        try SQLiteSchema.naming(name) { try ledger.database.write(body) }
    }
    private func outside(_ body: (Database) throws -> Void) throws {
        try SQLiteSchema.naming(name) { try ledger.database.writeWithoutTransaction(body) }
    }
}
