import ExportLedger
import PostgreSQL

extension RowPage {
    /// Reads rows until there are `limit` values. See `RowPage.init(limit:by:next:read:)`.
    init(
        _ rows: SQLRows,
        limit: Int = .max,
        by id: ((SQLRow) -> String)? = nil,
        _ read: (SQLRow) throws -> Value
    ) throws {
        var rows = rows.makeIterator()
        try self.init(limit: limit, by: id, next: { rows.next() }, read: read)
    }

    /// How many rows a query for a page has to return: one more than there are values and rows that are left out.
    static func rows(for limit: Int) -> Int64 { Int64(min(limit, 1 << 30) + mostLeftOut + 1) }
}
