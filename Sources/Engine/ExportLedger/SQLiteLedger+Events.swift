public import Exports
import GRDB

extension SQLiteLedger {
    public func events(after sequence: Int64, limit: Int) async throws -> [RecordedEvent] {
        let limit = max(0, limit)
        let (events, leftOut) = try await read { database in
            var events: [RecordedEvent] = []
            var leftOut: [UnreadableRow] = []
            var (sequence, limit) = (sequence, limit)
            if limit > 0, let missing = try Self.range(in: database).lastMissing(after: sequence) {
                events.append(.unreadable(position: missing))
                (sequence, limit) = (missing, limit - 1)
            }
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
        try await read(Self.range)
    }

    private static func range(in database: Database) throws -> ChangeRange {
        ChangeRange(
            first: try Int64.fetchOne(database.cachedStatement(sql: ExportChange.selectFirst)),
            last: try Int64.fetchOne(database.cachedStatement(sql: ExportChange.selectLast)) ?? 0
        )
    }
}

extension ExportChange {
    fileprivate static let select =
        "SELECT sequence, \(names) FROM export_event WHERE sequence > ? ORDER BY sequence LIMIT ?"
    fileprivate static let selectFirst = "SELECT min(sequence) FROM export_event"
    /// Deleted rows do not change it.
    fileprivate static let selectLast = "SELECT seq FROM sqlite_sequence WHERE name = 'export_event'"
    private static let insert =
        "INSERT INTO export_event (\(names)) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))"

    /// Stores that an export has got its present revision, after `before`; nil for a new export. There is one write at a time, so the numbers grow in the order of the
    /// commits.
    static func insert(_ export: Export, after before: Export?, in database: Database) throws {
        try ExportChange(position: 0, export, after: before).insert(in: database)
    }

    /// Stores it as the last change.
    func insert(in database: Database) throws {
        try database.cachedStatement(sql: Self.insert)
            .execute(arguments: StatementArguments(values.map(\.databaseValue)))
    }
}
