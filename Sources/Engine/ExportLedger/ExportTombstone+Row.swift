import Exports

extension ExportTombstone {
    package static let columns = [
        "id", "created_by", "status", "time", "provider", "connection", "completed_at", "job",
    ]
    package static let names = columns.joined(separator: ", ")

    /// The values of the columns.
    package var values: [StoredValue] {
        [
            StoredValue(id.description), StoredValue(createdBy), StoredValue(status.rawValue), StoredValue(purgedAt),
            StoredValue(provider.rawValue), StoredValue(connection), StoredValue(completedAt), StoredValue(job),
        ]
    }

    /// Reads a row of the columns. Throws `LedgerError` (`corrupt`) that names the row.
    package static func read(_ row: some StoredRow) throws -> ExportTombstone {
        let owner: String = row[1]
        return try UnreadableRow.Table.tombstone.naming(export: row[0], id: nil, owner: owner) {
            guard let id = ExportID(row[0] as String) else { throw JSONText.unreadable("id") }
            guard let status = ExportStatus(rawValue: row[2]) else { throw JSONText.unreadable("status") }
            return ExportTombstone(
                id: id,
                provider: ProviderID(row[4] as String),
                connection: row[5],
                createdBy: owner,
                status: status,
                completedAt: Timestamp(milliseconds: row[6]),
                purgedAt: Timestamp(milliseconds: row[3]),
                job: row[7]
            )
        }
    }
}
