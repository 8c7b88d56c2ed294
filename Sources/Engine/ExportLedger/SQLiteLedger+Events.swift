import Exports
import GRDB

extension SQLiteLedger {
    public func events(after sequence: Int64, limit: Int) async throws -> [RecordedEvent] {
        let limit = max(0, limit)
        let (events, leftOut) = try await read { database in
            var events: [RecordedEvent] = []
            var leftOut: [UnreadableRow] = []
            let rows = try Row.fetchCursor(
                database.cachedStatement(sql: ExportEvent.select),
                arguments: [sequence, limit]
            )
            while let row = try rows.next() {
                let sequence: Int64 = row[0]
                do {
                    events.append(
                        .change(try Self.naming(.event, row, id: "\(sequence)") { try ExportEvent(row) })
                    )
                } catch let error as LedgerError where error.row != nil {
                    events.append(.unreadable(sequence: sequence))
                    if let row = error.row { leftOut.append(row) }
                }
            }
            return (events, leftOut)
        }
        leftOut.forEach(unreadable.found)
        return events
    }
}

extension ExportEvent {
    private static let columns = [
        "export_id", "created_by", "revision", "status", "percent_complete", "is_final", "code", "time",
    ]
    private static let names = columns.joined(separator: ", ")
    fileprivate static let select =
        "SELECT sequence, \(names) FROM export_event WHERE sequence > ? ORDER BY sequence LIMIT ?"
    private static let insert =
        "INSERT INTO export_event (\(names)) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))"

    /// Stores that an export has got its present revision. There is one write at a time, so the numbers grow in the order of the
    /// commits.
    static func insert(_ export: Export, in database: Database) throws {
        let event = ExportEvent(sequence: 0, export)
        try database.cachedStatement(sql: insert)
            .execute(
                arguments: [
                    event.exportID.description, event.createdBy, event.revision, event.status.rawValue,
                    event.percentComplete, event.isFinal, event.code?.rawValue, event.time.milliseconds,
                ]
            )
    }

    fileprivate init(_ row: Row) throws {
        guard let exportID = ExportID(row[1] as String) else { throw JSONText.unreadable("export_id") }
        guard let status = ExportStatus(rawValue: row[4]) else { throw JSONText.unreadable("status") }
        let code = try (row[7] as String?)
            .map { text in
                guard let code = ProblemCode(rawValue: text) else { throw JSONText.unreadable("code") }
                return code
            }
        self.init(
            sequence: row[0],
            exportID: exportID,
            createdBy: row[2],
            revision: row[3],
            status: status,
            percentComplete: row[5],
            isFinal: row[6],
            code: code,
            time: Timestamp(milliseconds: row[8])
        )
    }
}
