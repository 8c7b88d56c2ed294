public import Exports
import GRDB

extension SQLiteLedger {
    public func claimMeasurement(
        at now: Timestamp,
        retryAt: Timestamp,
        besides running: Set<ExportID>
    ) async throws -> MeasurementClaim? {
        let progress = progress
        let found = try await write { database -> (claim: MeasurementClaim?, leftOut: [UnreadableRow]) in
            var leftOut: [UnreadableRow] = []
            while let row = try Self.dueMeasurement(at: now, besides: running, in: database) {
                let (name, attempts): (String, Int) = (row["export_id"], row["attempts"] + 1)
                do {
                    if let id = ExportID(name),
                        let export = try Self.record(id, in: database).map(progress.current)?.export
                    {
                        try Self.setMeasurement(of: name, dueAt: retryAt, attempts: attempts, in: database)
                        return (MeasurementClaim(export: export, attempts: attempts), leftOut)
                    }
                } catch let error as LedgerError {
                    guard let row = error.row else { throw error }
                    leftOut.append(row)
                }
                // An export that cannot be read is not measured, and must not block others.
                try Self.setMeasurement(of: name, dueAt: nil, attempts: attempts, in: database)
            }
            return (nil, leftOut)
        }
        found.leftOut.forEach(unreadable.found)
        return found.claim
    }

    private static func dueMeasurement(
        at now: Timestamp,
        besides running: Set<ExportID>,
        in database: Database
    ) throws -> Row? {
        try Row.fetchOne(
            database,
            sql: """
                SELECT export_id, attempts FROM measurement
                WHERE due_at <= ? AND export_id NOT IN (\(Self.list(running)))
                ORDER BY due_at DESC, export_id DESC LIMIT 1
                """,
            arguments: [now.milliseconds]
        )
    }

    public func setMeasurement(of id: ExportID, dueAt: Timestamp?, attempts: Int) async throws {
        try await write { try Self.setMeasurement(of: id.description, dueAt: dueAt, attempts: attempts, in: $0) }
    }

    public func nextMeasurement(besides running: Set<ExportID>) async throws -> Timestamp? {
        try await read { database in
            try Int64.fetchOne(
                database,
                sql: """
                    SELECT due_at FROM measurement WHERE export_id NOT IN (\(Self.list(running)))
                    ORDER BY due_at LIMIT 1
                    """
            )
            .map(Timestamp.init(milliseconds:))
        }
    }

    /// Updates when the files of an export are measured after a change of its record: for a new success at once, and never again when the
    /// files are not kept any more.
    static func updateMeasurement(from before: LedgerRecord, to after: LedgerRecord, in database: Database) throws {
        if after.phase == .settled, before.phase != .settled, after.export.status.hasResult {
            try database.cachedStatement(
                sql: "INSERT OR REPLACE INTO measurement (export_id, due_at, attempts) VALUES (?, ?, 0)"
            )
            .execute(arguments: [after.export.id.description, after.export.updatedAt.milliseconds])
        } else if after.export.status == .expired, before.export.status != .expired {
            try setMeasurement(of: after.export.id.description, dueAt: nil, attempts: 0, in: database)
        }
    }

    private static func setMeasurement(
        of id: String,
        dueAt: Timestamp?,
        attempts: Int,
        in database: Database
    ) throws {
        if let dueAt {
            try database.execute(
                sql: "UPDATE measurement SET due_at = ?, attempts = ? WHERE export_id = ?",
                arguments: [dueAt.milliseconds, attempts, id]
            )
        } else {
            try database.execute(sql: "DELETE FROM measurement WHERE export_id = ?", arguments: [id])
        }
    }

    /// A list of SQL texts. Ids contain no quote, so they need no escaping.
    private static func list(_ ids: Set<ExportID>) -> String {
        ids.map { "'\($0)'" }.joined(separator: ", ")
    }
}
