import GRDB
import GRDBSQLite

/// A statement of SQLite without GRDB's conversions, which take most of the time where millions of rows are read.
final class RawStatement {
    private let connection: SQLiteConnection
    private let statement: SQLiteStatement
    // What SQLite does with bytes that it was given: it copies them.
    private static let copies = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    init(_ sql: String, in database: Database) throws {
        guard let connection = database.sqliteConnection else {
            throw MaintenanceError("SQLite: the connection is closed")
        }
        self.connection = connection
        var statement: SQLiteStatement?
        let code = sqlite3_prepare_v2(connection, sql, -1, &statement, nil)
        guard code == SQLITE_OK, let statement else { throw Self.error(code, connection) }
        self.statement = statement
    }

    deinit { sqlite3_finalize(statement) }

    /// Binds the values of a key, from the first parameter on.
    func bind(_ key: RowKey) throws {
        for (place, value) in zip(CInt(1)..., key.values) {
            switch value {
            case .integer(let number): try check(sqlite3_bind_int64(statement, place, number))
            case .text(let text):
                var text = text
                try text.withUTF8 { try bind(UnsafeRawBufferPointer($0), .text, at: place) }
            }
        }
    }

    /// Binds the value of a column as it is in a ``RowBatch``.
    func bind(_ value: UnsafeRawBufferPointer?, _ kind: LedgerTable.Kind, at place: CInt) throws {
        guard let value else { return try check(sqlite3_bind_null(statement, place)) }
        // An empty buffer may have no address, which SQLite would take for NULL.
        switch kind {
        case .integer:
            try check(sqlite3_bind_int64(statement, place, Int64(bigEndian: value.loadUnaligned(as: Int64.self))))
        case .text:
            let start = value.baseAddress?.assumingMemoryBound(to: CChar.self)
            try check(
                start == nil
                    ? sqlite3_bind_text(statement, place, "", 0, Self.copies)
                    : sqlite3_bind_text(statement, place, start, CInt(value.count), Self.copies)
            )
        case .bytes:
            try check(
                value.isEmpty
                    ? sqlite3_bind_zeroblob(statement, place, 0)
                    : sqlite3_bind_blob(statement, place, value.baseAddress, CInt(value.count), Self.copies)
            )
        }
    }

    /// Runs it once more, for a statement that returns no rows.
    func run() throws {
        let code = sqlite3_step(statement)
        guard code == SQLITE_DONE else { throw Self.error(code, connection) }
        sqlite3_reset(statement)
    }

    /// Goes to the next row. False at the end.
    func next() throws -> Bool {
        let code = sqlite3_step(statement)
        guard code == SQLITE_ROW || code == SQLITE_DONE else { throw Self.error(code, connection) }
        return code == SQLITE_ROW
    }

    /// Appends the present row to a batch.
    func append(to batch: inout RowBatch, of table: LedgerTable) throws {
        batch.beginRow(columns: table.columns.count)
        for (index, column) in zip(CInt(0)..., table.columns) {
            let type = sqlite3_column_type(statement, index)
            switch (column.kind, type) {
            case (_, SQLITE_NULL): batch.appendNull()
            case (.integer, SQLITE_INTEGER): batch.append(integer: sqlite3_column_int64(statement, index))
            case (.text, SQLITE_TEXT):
                let text = sqlite3_column_text(statement, index)
                batch.append(
                    value: UnsafeRawBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, index)))
                )
            case (.bytes, SQLITE_BLOB):
                let bytes = sqlite3_column_blob(statement, index)
                batch.append(
                    value: UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, index)))
                )
            default:
                throw MaintenanceError("\(table.name): a value of \(column.name) is not what the column holds")
            }
        }
    }

    private func check(_ code: CInt) throws {
        guard code == SQLITE_OK else { throw Self.error(code, connection) }
    }

    private static func error(_ code: CInt, _ connection: SQLiteConnection) -> any Error {
        DatabaseError(
            resultCode: ResultCode(rawValue: sqlite3_extended_errcode(connection)),
            message: String(cString: sqlite3_errmsg(connection))
        )
    }
}
