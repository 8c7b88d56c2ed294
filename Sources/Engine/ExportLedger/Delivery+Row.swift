import Exports

extension Delivery {
    package static let columns = [
        "export_id", "id", "kind", "file_id", "caller", "request_id", "started_at", "ended_at", "coding", "range_first",
        "range_last", "bytes_sent", "file_bytes", "sha256", "resumptions", "outcome", "reason",
        "ticket", "ticket_use",
    ]
    package static let names = columns.joined(separator: ", ")

    /// The values of the columns.
    package var values: [StoredValue] {
        [
            StoredValue(exportID.description), StoredValue(id.description), StoredValue(kind.rawValue),
            StoredValue(fileID), StoredValue(caller), StoredValue(requestID), StoredValue(startedAt),
            StoredValue(endedAt), StoredValue(coding), StoredValue(rangeFirst), StoredValue(rangeLast),
            StoredValue(bytesSent), StoredValue(fileBytes), StoredValue(sha256), StoredValue(resumptions),
            StoredValue(outcome.rawValue), StoredValue(reason),
            StoredValue(ticket?.ticket.description), StoredValue(ticket.map { Int64($0.number) }),
        ]
    }

    /// Reads a row of the columns. Throws `LedgerError` (`corrupt`) that names the row.
    package static func read(_ row: some StoredRow) throws -> Delivery {
        try UnreadableRow.Table.delivery.naming(export: row[0], id: row[1]) { try Delivery(row) }
    }

    private init(_ row: some StoredRow) throws {
        guard let id = ExportID(row[1] as String), let exportID = ExportID(row[0] as String) else {
            throw JSONText.unreadable("id")
        }
        guard let outcome = Outcome(rawValue: row[15]) else { throw JSONText.unreadable("outcome") }
        guard let kind = Kind(rawValue: row[2]) else { throw JSONText.unreadable("kind") }
        self.init(
            id: id,
            exportID: exportID,
            fileID: row[3],
            caller: row[4],
            requestID: row[5],
            startedAt: Timestamp(milliseconds: row[6]),
            endedAt: row.time(7),
            coding: row[8],
            outcome: outcome
        )
        self.kind = kind
        rangeFirst = row[9]
        rangeLast = row[10]
        bytesSent = row[11]
        fileBytes = row[12]
        sha256 = row[13]
        resumptions = row[14]
        reason = row[16]
        let (ticket, use): (String?, Int?) = (row[17], row[18])
        if let ticket {
            guard let id = ExportID(ticket), let use else { throw JSONText.unreadable("ticket") }
            self.ticket = TicketUse(ticket: id, number: use)
        }
    }
}
