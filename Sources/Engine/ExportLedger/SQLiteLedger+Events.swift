public import Exports
import GRDB

extension SQLiteLedger {
    public func events(after sequence: Int64, limit: Int) async throws -> [RecordedEvent] {
        let limit = max(0, limit)
        let (events, leftOut) = try await read { database in
            var events: [RecordedEvent] = []
            var leftOut: [UnreadableRow] = []
            let rows = try Row.fetchCursor(
                database.cachedStatement(sql: ExportChange.select),
                arguments: [sequence, limit]
            )
            while let row = try rows.next() {
                let sequence: Int64 = row[0]
                do {
                    events.append(.change(try ExportChange.read(SQLiteRow(row: row))))
                } catch let error as LedgerError where error.row != nil {
                    events.append(.unreadable(position: sequence))
                    if let row = error.row { leftOut.append(row) }
                }
            }
            return (events, leftOut)
        }
        leftOut.forEach(unreadable.found)
        return events
    }

    public func eventRange() async throws -> ChangeRange {
        try await read { database in
            ChangeRange(
                first: try Int64.fetchOne(database, sql: "SELECT min(sequence) FROM export_event"),
                last: try Int64.fetchOne(database, sql: ExportChange.selectLast) ?? 0
            )
        }
    }
}

extension ExportChange {
    fileprivate static let select =
        "SELECT sequence, \(names) FROM export_event WHERE sequence > ? ORDER BY sequence LIMIT ?"
    /// Deleted rows do not change it.
    fileprivate static let selectLast = "SELECT seq FROM sqlite_sequence WHERE name = 'export_event'"
    private static let insert =
        "INSERT INTO export_event (\(names)) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))"

    /// Stores that an export has got its present revision, after `before`; nil for a new export. There is one write at a time, so the numbers grow in the order of the
    /// commits.
    static func insert(_ export: Export, after before: Export?, in database: Database) throws {
        try database.cachedStatement(sql: insert)
            .execute(
                arguments: StatementArguments(
                    ExportChange(position: 0, export, after: before).values.map(\.databaseValue)
                )
            )
    }
}
