import Exports

extension ExportChange {
    package static let columns = [
        "export_id", "created_by", "revision", "status", "percent_complete", "is_final", "code", "time", "ends",
    ]
    package static let names = columns.joined(separator: ", ")

    /// The values of the columns.
    package var values: [StoredValue] {
        [
            StoredValue(exportID.description), StoredValue(createdBy), StoredValue(revision),
            StoredValue(status.rawValue), StoredValue(percentComplete), StoredValue(isFinal),
            StoredValue(code?.rawValue), StoredValue(time), StoredValue(ends.map { $0 ? 1 : 0 }),
        ]
    }

    /// Reads a row of the sequence number and the columns. Throws `LedgerError` (`corrupt`) that names the row.
    package static func read(_ row: some StoredRow) throws -> ExportChange {
        let position: Int64 = row[0]
        return try UnreadableRow.Table.event.naming(export: row[1], id: "\(position)") {
            guard let exportID = ExportID(row[1] as String) else { throw JSONText.unreadable("export_id") }
            guard let status = ExportStatus(rawValue: row[4]) else { throw JSONText.unreadable("status") }
            let code = try (row[7] as String?)
                .map { text in
                    guard let code = ProblemCode(rawValue: text) else { throw JSONText.unreadable("code") }
                    return code
                }
            return ExportChange(
                position: position,
                exportID: exportID,
                createdBy: row[2],
                revision: row[3],
                status: status,
                percentComplete: row[5],
                isFinal: row[6],
                ends: row.integer(9).map { $0 != 0 },
                code: code,
                time: Timestamp(milliseconds: row[8])
            )
        }
    }
}
