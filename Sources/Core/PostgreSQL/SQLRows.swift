import CPQ

/// What a statement returned: rows, or the number of those it changed.
public struct SQLRows: Sendable, RandomAccessCollection {
    private let result: QueryResult

    init(_ result: QueryResult) {
        self.result = result
        endIndex = Int(PQntuples(result.pointer))
    }

    public var startIndex: Int { 0 }
    public let endIndex: Int

    /// How many rows an `INSERT`, `UPDATE` or `DELETE` changed, and a `SELECT` returned; 0 for other statements.
    public var affected: Int { Int(String(cString: PQcmdTuples(result.pointer))) ?? 0 }

    public subscript(index: Int) -> SQLRow {
        precondition(indices.contains(index), "a row that does not exist")
        return SQLRow(result: result, row: CInt(index))
    }
}

/// What libpq returned for a statement.
///
/// Unchecked: libpq never changes a result after it was returned, and threads may read it at the same time
/// (https://www.postgresql.org/docs/15/libpq-threading.html).
final class QueryResult: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { PQclear(pointer) }
}

/// A row. Columns are named by their position, from 0. Reading a column that does not exist stops the program.
public struct SQLRow: Sendable {
    fileprivate let result: QueryResult
    fileprivate let row: CInt

    /// The bytes of a value in PostgreSQL's text form, without a copy; nil for NULL. They are valid during the call.
    public func withUTF8<T>(_ column: Int, _ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T? {
        precondition(column >= 0 && column < Int(PQnfields(result.pointer)), "a column that does not exist")
        guard PQgetisnull(result.pointer, row, CInt(column)) == 0 else { return nil }
        let bytes = UnsafeRawBufferPointer(
            start: PQgetvalue(result.pointer, row, CInt(column)),
            count: Int(PQgetlength(result.pointer, row, CInt(column)))
        )
        return try withExtendedLifetime(result) { try body(bytes) }
    }

    /// Whether the value is NULL.
    public func isNull(_ column: Int) -> Bool { withUTF8(column) { _ in true } == nil }

    /// A value of any type in PostgreSQL's text form: times in UTC, as ISO 8601 with a space. Nil for NULL.
    public func text(_ column: Int) -> String? { withUTF8(column) { String(decoding: $0, as: UTF8.self) } }

    /// A `smallint`, `integer` or `bigint`. Nil for NULL, and for a value that is no such number.
    public func integer(_ column: Int) -> Int64? { withUTF8(column, SQLText.integer) ?? nil }

    /// A `boolean`. Nil for NULL, and for a value that is none.
    public func boolean(_ column: Int) -> Bool? { withUTF8(column, SQLText.boolean) ?? nil }

    /// A `bytea`. Nil for NULL, and for a value that is none.
    public func bytes(_ column: Int) -> [UInt8]? { withUTF8(column, SQLText.bytes) ?? nil }

    /// A `text[]` of one dimension without NULL in it. Nil for NULL, and for a value that is none.
    public func textArray(_ column: Int) -> [String]? { withUTF8(column, SQLText.array) ?? nil }
}
