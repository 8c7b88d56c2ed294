public import Exports
import GRDB

extension SQLiteLedger {
    public func exports(matching filter: ExportFilter, before: ExportID?, limit: Int) async throws -> ExportPage {
        var conditions: [String] = []
        var arguments: [(any DatabaseValueConvertible)?] = []
        func add(_ condition: String, _ argument: (any DatabaseValueConvertible)?) {
            guard let argument else { return }
            conditions.append(condition)
            arguments.append(argument)
        }
        add("provider = ?", filter.provider?.rawValue)
        add("connection = ?", filter.connection)
        add("created_by = ?", filter.createdBy)
        add("status = ?", filter.status?.rawValue)
        add("id < ?", before?.description)
        // The bounds on the id let the index skip what the bounds on the time would read and reject.
        add("id >= ?", filter.createdAfter.map(Self.leastID))
        add("created_at >= ?", filter.createdAfter?.milliseconds)
        add("id < ?", filter.createdBefore.map(Self.leastID))
        add("created_at < ?", filter.createdBefore?.milliseconds)

        let limit = max(0, limit)
        let sql =
            "SELECT * FROM export"
            + (conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND "))
            + " ORDER BY id DESC"
        let statementArguments = StatementArguments(arguments)
        let page = try await read { database in
            // Ended by the page, and not by a number of rows: those that cannot be read do not count.
            let rows = try Row.fetchCursor(database, sql: sql, arguments: statementArguments)
            return try Self.page(rows, limit: limit) { row in
                try Self.naming(.export, row, id: nil) { try Export(row) }
            }
        }
        page.leftOut.forEach(unreadable.found)
        return ExportPage(exports: page.values, hasMore: page.hasMore, unreadable: page.leftOut.count)
    }

    /// The start of every id that was made at `time`: less than all of them, greater than all that are older.
    private static func leastID(at time: Timestamp) -> String {
        let digits = String(UInt64(max(0, time.milliseconds)) & 0xFFFF_FFFF_FFFF, radix: 16)
        let padded = String(repeating: "0", count: 12 - digits.count) + digits
        return padded.prefix(8) + "-" + padded.suffix(4)
    }
}
