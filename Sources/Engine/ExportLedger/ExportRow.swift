import Exports
import GRDB
import GRDBSQLite

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A row of ``ExportColumn/selectOne`` and the like, read directly from SQLite's memory. It is valid until its cursor goes on.
///
/// GRDB's own `Row` makes a table of all column names for each execution of a statement, which takes half as long as to read one
/// export.
struct ExportRow {
    fileprivate let statement: SQLiteStatement

    private func value<Value: StatementColumnConvertible>(_ index: Int) -> Value? {
        sqlite3_column_type(statement, CInt(index)) == SQLITE_NULL
            ? nil : Value.fromStatement(statement, atUncheckedIndex: CInt(index))
    }
}

extension ExportRow: StoredRow {
    func integer(_ index: Int) -> Int64? { value(index) }
    func text(_ index: Int) -> String? { value(index) }
    func bytes(_ index: Int) -> [UInt8]? { (value(index) as Data?).map { Array($0) } }
}

/// A row that GRDB has read, with its columns in the order that a neutral reader wants.
struct SQLiteRow: StoredRow {
    let row: Row

    func integer(_ index: Int) -> Int64? { row[index] }
    func text(_ index: Int) -> String? { row[index] }
    func bytes(_ index: Int) -> [UInt8]? { (row[index] as Data?).map { Array($0) } }
}

extension StoredValue {
    var databaseValue: DatabaseValue {
        switch self {
        case .null: .null
        case .integer(let number): number.databaseValue
        case .text(let text): text.databaseValue
        case .bytes(let bytes): Data(bytes).databaseValue
        }
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
