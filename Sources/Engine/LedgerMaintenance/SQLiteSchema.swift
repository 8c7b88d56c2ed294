import ExportLedger
import GRDB

/// What copies, checks and backups know of the schema in SQLite.
enum SQLiteSchema {
    /// The indexes that migrations made, with the statements that make them.
    static func indexes(of database: Database) throws -> [String: String] {
        let rows = try Row.fetchAll(
            database,
            sql: "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        )
        return Dictionary(uniqueKeysWithValues: rows.map { ($0["name"], $0["sql"]) })
    }

    /// The indexes of the present schema.
    static func expectedIndexes() throws -> [String: String] {
        let empty = try DatabaseQueue()
        try SQLiteLedger.migrate(empty)
        return try empty.read(indexes)
    }

    /// The numbers that were given out last. Deleted rows do not change them.
    static func lastNumbers(in database: Database) throws -> LastNumbers {
        func last(_ table: String) throws -> Int64 {
            try Int64.fetchOne(database, sql: "SELECT seq FROM sqlite_sequence WHERE name = ?", arguments: [table]) ?? 0
        }
        return LastNumbers(
            change: try last("export_event"),
            message: try last("webhook_message"),
            entry: try last("audit_pending")
        )
    }

    static func setLastNumbers(_ last: LastNumbers, in database: Database) throws {
        let numbers = [
            ("export_event", last.change), ("webhook_message", last.message), ("audit_pending", last.entry),
        ]
        for (table, number) in numbers {
            try database.execute(sql: "DELETE FROM sqlite_sequence WHERE name = ?", arguments: [table])
            try database.execute(
                sql: "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)",
                arguments: [table, number]
            )
        }
    }

    /// Runs `body`; an error of SQLite becomes one that the operator can act on.
    static func naming<T>(_ path: String, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as DatabaseError {
            let files = LedgerFiles(path: path)
            throw MaintenanceError(
                error.resultCode == .SQLITE_FULL || files.isDiskFull
                    ? "\(path): the disk of \(files.directory) is full. Free space, and run the command again."
                    : "\(path): SQLite \(error.extendedResultCode): \(error.message ?? "no reason")"
            )
        }
    }
}

// Exports and their requests are joined by a number that is not copied: a copy has numbers of its own.
extension LedgerTable {
    func count(in database: Database) throws -> Int64 {
        try Int64.fetchOne(database, sql: "SELECT count(*) FROM \(name)") ?? 0
    }

    /// Replaces the batch by the rows after a key.
    func read(in database: Database, after key: RowKey?, into batch: inout RowBatch) throws {
        batch.removeAll()
        let rows = try RawStatement(select(from: relationInSQLite, isAfterKey: key != nil), in: database)
        if let key { try rows.bind(key) }
        while !batch.isFull, try rows.next() { try rows.append(to: &batch, of: self) }
    }

    private var relationInSQLite: String {
        switch self {
        // A cross join fixes the order of the two tables: the index of the ids comes first.
        case .requests: "export CROSS JOIN export_request USING (key)"
        case .records: "export LEFT JOIN export_request USING (key)"
        default: name
        }
    }

    /// Selects the last row. Rows of exports were inserted in the order of their ids.
    var selectLastInSQLite: String {
        let order =
            self == .requests ? "export_request.key DESC" : key.map { "\($0.name) DESC" }.joined(separator: ", ")
        let relation = self == .requests ? "export_request CROSS JOIN export USING (key)" : relationInSQLite
        return "SELECT \(list(columns)) FROM \(relation) ORDER BY \(order) LIMIT 1"
    }

    var insertInSQLite: String {
        guard self != .requests else {
            return "INSERT INTO export_request (key, source, plan) VALUES ((SELECT key FROM export WHERE id = ?), ?, ?)"
        }
        return "INSERT INTO \(name) (\(list(columns))) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))"
    }
}

extension LedgerTable {
    /// Selects the rows in the order of the key. With a key, its values are the first parameters.
    func select(from relation: String, isAfterKey: Bool) -> String {
        let place = " WHERE (\(list(key))) > (\(key.map { _ in "?" }.joined(separator: ", ")))"
        return "SELECT \(list(columns)) FROM \(relation)\(isAfterKey ? place : "") ORDER BY \(list(key))"
    }

    func list(_ columns: some Sequence<Column>) -> String { columns.map(\.name).joined(separator: ", ") }
}
