import ExportLedger
public import Exports
import PostgreSQL

extension PostgreSQLLedger {
    public func claimMeasurement(
        at now: Timestamp,
        retryAt: Timestamp,
        besides running: Set<ExportID>
    ) async throws -> MeasurementClaim? {
        let place: [SQLValue] = [.integer(now.milliseconds), .textArray(running.map(\.description))]
        let (claim, leftOut) = try await writeAlone { connection in
            try connection.transaction { connection -> (MeasurementClaim?, [UnreadableRow]) in
                var leftOut: [UnreadableRow] = []
                // What another replica is just claiming is passed over.
                while let due = try connection.query(SQLQuery(Self.due, place)).first {
                    let (name, attempts): (String, Int64) = (due[0], due[1] + 1)
                    let rows = try connection.query(SQLQuery(Self.selectOne, [.text(name)]))
                    do {
                        if let export = try rows.first?.record().export {
                            _ = try connection.query(Self.set(name, dueAt: retryAt, attempts: attempts))
                            return (MeasurementClaim(export: export, attempts: Int(attempts)), leftOut)
                        }
                    } catch let error as LedgerError {
                        guard let row = error.row else { throw error }
                        leftOut.append(row)
                    }
                    // An export that cannot be read is not measured, and must not block others.
                    _ = try connection.query(Self.set(name, dueAt: nil, attempts: attempts))
                }
                return (nil, leftOut)
            }
        }
        leftOut.forEach(unreadable.found)
        return claim
    }

    public func setMeasurement(of id: ExportID, dueAt: Timestamp?, attempts: Int) async throws {
        let query = Self.set(id.description, dueAt: dueAt, attempts: Int64(attempts))
        try await write(.change, WriteNeeds()) { transaction, _ in
            transaction.stage(query)
            return { _ in () }
        }
    }

    public func nextMeasurement(besides running: Set<ExportID>) async throws -> Timestamp? {
        let running = SQLValue.textArray(running.map(\.description))
        return try await read { try $0.query(SQLQuery(Self.next, [running])) }.first?.time(0)
    }

    private static func set(_ id: String, dueAt: Timestamp?, attempts: Int64) -> SQLQuery {
        guard let dueAt else { return SQLQuery(RecordStatements.deleteMeasurement, [.text(id)]) }
        return SQLQuery(
            "UPDATE measurement SET due_at = $2, attempts = $3 WHERE export_id = $1",
            [.text(id), .integer(dueAt.milliseconds), .integer(attempts)]
        )
    }

    private static let due: SQLStatement = """
        SELECT export_id, attempts FROM measurement WHERE due_at <= $1 AND export_id <> ALL ($2::text[])
        ORDER BY due_at DESC, export_id DESC LIMIT 1 FOR UPDATE SKIP LOCKED
        """
    private static let next: SQLStatement = """
        SELECT due_at FROM measurement WHERE export_id <> ALL ($1::text[]) ORDER BY due_at LIMIT 1
        """
    private static let selectOne = SQLStatement("\(ExportColumn.select) WHERE export.id = $1")
}
