import Exports

/// The values that were read from some rows.
package struct RowPage<Value: Sendable>: Sendable {
    package var values: [Value] = []
    package var leftOut: [UnreadableRow] = []
    package var hasMore = false
    /// The id after which the next page begins, where this page ends among rows that cannot be read.
    package var stoppedAt: ExportID?

    /// No rows.
    package init() {}

    /// A page ends after this many rows that cannot be read, however few values it has, so that the cost of one call is bounded. Rows
    /// whose ids cannot be read do not end a page, because the next page could not begin there.
    package static var mostLeftOut: Int { 1000 }

    /// Reads rows until there are `limit` values, and checks whether there are more. Rows that cannot be read are left out.
    ///
    /// - Parameters:
    ///   - id: Reads the id after which the next page begins; nil where there is one page only.
    ///   - next: The next row; nil after the last.
    package init<Row>(
        limit: Int,
        by id: ((Row) -> String)?,
        next: () throws -> Row?,
        read: (Row) throws -> Value
    ) throws {
        var beyond = 0
        while let row = try next() {
            do {
                let value = try read(row)
                if values.count == limit {
                    hasMore = true
                    return
                }
                values.append(value)
            } catch let error as LedgerError where error.row != nil {
                // After the end of the page, it belongs to the next one.
                if values.count < limit, let row = error.row { leftOut.append(row) } else { beyond += 1 }
                guard leftOut.count + beyond >= Self.mostLeftOut, let id else { continue }
                guard values.count < limit else {
                    hasMore = true
                    return
                }
                guard let place = ExportID(id(row)) else { continue }
                (hasMore, stoppedAt) = (true, place)
                return
            }
        }
    }
}
