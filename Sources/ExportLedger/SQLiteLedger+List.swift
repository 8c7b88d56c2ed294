public import Exports
import GRDB

extension SQLiteLedger {
    public func exports(matching filter: ExportFilter, before: ExportID?, limit: Int) async throws -> ExportPage {
        let limit = max(0, limit)
        let progress = progress
        let page = try await read { database in
            try Self.page(matching: filter, before: before, limit: limit, in: database) { row in
                var export = try Export(row)
                export.observedAt = progress.observedAt(of: export.id, row)
                return export
            }
        }
        page.leftOut.forEach(unreadable.found)
        return ExportPage(exports: page.values, hasMore: page.hasMore, unreadable: page.leftOut.count)
    }

    /// One page of values, newest first, whether there is another one, and the rows among them that cannot be read.
    private static func page<Value>(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        in database: Database,
        _ read: (Row) throws -> Value
    ) throws -> (values: [Value], hasMore: Bool, leftOut: [UnreadableRow]) {
        let fixed = filter.fixedColumns
        let index = ListIndex(fixing: Set(fixed.keys))
        let ranges = try index.ranges(fixed, in: database)
        let least = filter.createdAfter.map(leastID) ?? ""
        // No id is greater than a text that begins with `g`.
        var end = min(before?.description ?? "g", filter.createdBefore.map(leastID) ?? "g")
        let statement = try database.cachedStatement(sql: ExportColumn.selectOne)
        var values: [Value] = []
        var leftOut: [UnreadableRow] = []
        while true {
            // Ended by the page, and not by a number of rows: those that cannot be read do not count.
            let count = limit + 1 - values.count
            let ids = try index.newest(count, of: ranges, from: least, before: end, in: database)
            for id in ids {
                do {
                    let value = try statement.first([id]) { row in try naming(.export, row, id: nil) { try read(row) } }
                    guard let value else { continue }
                    if values.count == limit { return (values, true, leftOut) }
                    values.append(value)
                } catch let error as LedgerError where error.row != nil {
                    // What comes after the page is the next one's.
                    if values.count < limit, let row = error.row { leftOut.append(row) }
                }
            }
            guard ids.count == count, let last = ids.last else { return (values, false, leftOut) }
            end = last
        }
    }

    /// The start of every id that was made at `time`: less than all of them, greater than all that are older.
    private static func leastID(at time: Timestamp) -> String {
        let digits = String(UInt64(max(0, time.milliseconds)) & 0xFFFF_FFFF_FFFF, radix: 16)
        let padded = String(repeating: "0", count: 12 - digits.count) + digits
        return padded.prefix(8) + "-" + padded.suffix(4)
    }
}

extension ExportFilter {
    /// The columns that the filter fixes.
    var fixedColumns: [ExportColumn: String] {
        var fixed: [ExportColumn: String] = [:]
        fixed[.provider] = provider?.rawValue
        fixed[.connection] = connection
        fixed[.createdBy] = createdBy
        fixed[.status] = status?.rawValue
        return fixed
    }
}
