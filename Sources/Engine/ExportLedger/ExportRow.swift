import Exports
import GRDB
import GRDBSQLite

/// A row of ``ExportColumn/selectOne`` and the like, read directly from SQLite's memory. It is valid until its cursor goes on.
///
/// GRDB's own `Row` makes a table of all column names for each execution of a statement, which takes half as long as to read one
/// export.
struct ExportRow {
    fileprivate let statement: SQLiteStatement

    /// The value of a column: an optional one, unless the schema declares the column `NOT NULL`.
    subscript<Value: StatementColumnConvertible>(_ column: ExportColumn) -> Value {
        guard let value = Value.fromStatement(statement, atUncheckedIndex: CInt(column.rawValue)) else {
            preconditionFailure("the column \(column.name) has no value of its type")
        }
        return value
    }

    /// A column of the request, which every export has.
    func requested(_ column: ExportColumn) throws -> String {
        guard let text: String = self[column] else { throw JSONText.unreadable(column.name) }
        return text
    }

    func time(_ column: ExportColumn) -> Timestamp? {
        (self[column] as Int64?).map(Timestamp.init(milliseconds:))
    }
}

extension UnwrittenProgress.StoredTimes {
    init(_ row: ExportRow) {
        self.init(
            observedAt: row.time(.observedAt),
            nextActionAt: row.time(.nextActionAt),
            scheduledAt: row.time(.scheduledAt)
        )
    }
}

/// The rows of a statement that selects columns of exports.
///
/// The requirements of `DatabaseCursor` that begin with an underscore may change with any version of GRDB; `Package.swift` names one.
final class ExportRows: DatabaseCursor {
    typealias Element = ExportRow

    let _statement: Statement
    var _isDone = false

    init(_ statement: Statement, _ arguments: StatementArguments) throws {
        _statement = statement
        try statement.setArguments(arguments)
    }

    // What it returns is the error of the last step, which was thrown there.
    deinit { sqlite3_reset(_statement.sqliteStatement) }

    func _element(sqliteStatement: SQLiteStatement) -> ExportRow { ExportRow(statement: sqliteStatement) }
}

extension Statement {
    /// Reads the first row, if there is one.
    func firstExport<Value>(_ arguments: StatementArguments, _ read: (ExportRow) throws -> Value) throws -> Value? {
        let rows = try ExportRows(self, arguments)
        // The row is valid only as long as the cursor exists.
        return try withExtendedLifetime(rows) { try rows.next().map(read) }
    }
}
