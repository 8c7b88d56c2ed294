import Exports

/// The value of a column, as both kinds of ledger store it. Times are milliseconds since 1970, truth values 0 and 1, structured values
/// JSON.
package enum StoredValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case text(String)
    case bytes([UInt8])

    init(_ number: Int64?) { self = number.map { .integer($0) } ?? .null }
    init(_ number: Int?) { self.init(number.map { Int64($0) }) }
    init(_ truth: Bool) { self = .integer(truth ? 1 : 0) }
    init(_ text: String?) { self = text.map { .text($0) } ?? .null }
    init(_ time: Timestamp?) { self.init(time?.milliseconds) }
}

/// A row of any table, as a ledger has read it. Columns are named by their position, from 0.
package protocol StoredRow {
    /// Nil for a null.
    func integer(_ index: Int) -> Int64?
    /// Nil for a null.
    func text(_ index: Int) -> String?
    /// Nil for a null.
    func bytes(_ index: Int) -> [UInt8]?
}

// Which of these is meant follows from the type that is wanted. A null where the schema allows none ends the process.
extension StoredRow {
    package subscript(_ index: Int) -> Int64? { integer(index) }
    package subscript(_ index: Int) -> Int? { integer(index).map { Int($0) } }
    package subscript(_ index: Int) -> String? { text(index) }
    package subscript(_ index: Int) -> Int64 { present(integer(index), index) }
    package subscript(_ index: Int) -> Int { Int(present(integer(index), index)) }
    package subscript(_ index: Int) -> Bool { present(integer(index), index) != 0 }
    package subscript(_ index: Int) -> String { present(text(index), index) }
    package subscript(_ index: Int) -> [UInt8] { present(bytes(index), index) }

    package func time(_ index: Int) -> Timestamp? { integer(index).map(Timestamp.init(milliseconds:)) }

    private func present<Value>(_ value: Value?, _ index: Int) -> Value {
        guard let value else { preconditionFailure("column \(index) has no value of its type") }
        return value
    }
}

// The same for rows with all columns of exports, or those that lists need.
extension StoredRow {
    package subscript(_ column: ExportColumn) -> Int64? { self[column.rawValue] }
    package subscript(_ column: ExportColumn) -> Int? { self[column.rawValue] }
    package subscript(_ column: ExportColumn) -> String? { self[column.rawValue] }
    package subscript(_ column: ExportColumn) -> Int64 { self[column.rawValue] }
    package subscript(_ column: ExportColumn) -> Int { self[column.rawValue] }
    package subscript(_ column: ExportColumn) -> Bool { self[column.rawValue] }
    package subscript(_ column: ExportColumn) -> String { self[column.rawValue] }

    package func time(_ column: ExportColumn) -> Timestamp? { time(column.rawValue) }

    /// A column of the request, which every export has.
    func requested(_ column: ExportColumn) throws -> String {
        guard let text = text(column.rawValue) else { throw JSONText.unreadable(column.name) }
        return text
    }

    /// The record in a row of all columns. Throws `LedgerError` (`corrupt`) that names the row.
    package func record() throws -> LedgerRecord { try naming { try LedgerRecord(self) } }

    /// The export in a row of the columns that lists need. Throws `LedgerError` (`corrupt`) that names the row.
    package func export() throws -> Export { try naming { try Export(self) } }

    /// Reads the row of an export. An error names the row and the column that cannot be read.
    func naming<Value>(_ read: () throws -> Value) throws -> Value {
        do {
            return try read()
        } catch var error as LedgerError where error.column != nil {
            error.row = UnreadableRow(table: .export, export: self[.id], id: nil, column: error.column ?? "")
            error.owner = self[.createdBy]
            throw error
        }
    }
}

extension UnreadableRow.Table {
    /// Reads a row of this table, which is not that of exports. An error names the row and the column that cannot be read.
    package func naming<Value>(
        export: String,
        id: String?,
        owner: String? = nil,
        _ read: () throws -> Value
    ) throws -> Value {
        do {
            return try read()
        } catch var error as LedgerError where error.column != nil {
            error.row = UnreadableRow(table: self, export: export, id: id, column: error.column ?? "")
            error.owner = owner
            throw error
        }
    }
}
