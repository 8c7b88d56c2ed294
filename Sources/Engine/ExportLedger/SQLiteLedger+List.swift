public import Exports
import GRDB

extension SQLiteLedger {
    public func exports(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        known: @escaping @Sendable (ExportID, Int64) -> ExportSnapshot?
    ) async throws -> ExportPage {
        let limit = max(0, limit)
        let progress = progress
        progress.beginList()
        defer { progress.endList() }
        let page = try await read { database in
            let fixed = filter.fixedColumns
            let index = ListIndex(fixing: Set(fixed.keys))
            let ranges = try index.ranges(fixed, in: database)
            return try RowPage<ExportSnapshot>(
                matching: filter,
                before: before,
                limit: limit,
                newest: { try index.newest($0, of: ranges, from: filter.leastID, before: $1, in: database) }
            ) { places in
                try ListEntry.entries(at: places, known: known) { ids, found in
                    try Self.rows(of: ids, in: database) { row in
                        let id = ExportID(row[.id] as String)
                        let observedAt = id.flatMap { progress.observedAt(of: $0, UnwrittenProgress.StoredTimes(row)) }
                        try found(row, observedAt)
                    }
                }
            }
        }
        page.leftOut.forEach(unreadable.found)
        return page.list
    }

    /// Reads what lists need of these exports, with one statement.
    private static func rows(
        of ids: [ExportID],
        in database: Database,
        _ found: (ExportRow) throws -> Void
    ) throws {
        let texts = "[\"" + ids.map(\.description).joined(separator: "\",\"") + "\"]"
        let rows = try ExportRows(database.cachedStatement(sql: ExportColumn.selectListed), [texts])
        while let row = try rows.next() { try found(row) }
    }
}
