import Exports
import Webhooks

extension WebhookMessage {
    package static let columns = [
        "number", "webhook_id", "id", "export_id", "type", "time", "body", "state", "attempts", "due_at",
        "last_attempt_at", "last_status", "last_error",
    ]
    package static let names = columns.joined(separator: ", ")

    /// The columns of a new message, which has no number yet.
    package static let newColumns = [
        "webhook_id", "id", "export_id", "type", "time", "body", "state", "attempts", "due_at",
    ]

    /// The values of the columns of a new message of a webhook.
    package func newValues(of webhook: ExportID) -> [StoredValue] {
        [
            StoredValue(webhook.description), StoredValue(id), StoredValue(exportID?.description),
            StoredValue(type.rawValue), StoredValue(time), .bytes(body), StoredValue(State.pending.rawValue),
            StoredValue(0), StoredValue(dueAt ?? time),
        ]
    }

    /// What the end of a claim writes.
    package static let endColumns = ["state", "due_at", "last_attempt_at", "last_status", "last_error"]

    /// The values of these columns. Throws `LedgerError` (`corrupt`) for a pending message without a time.
    package func endValues() throws -> [StoredValue] {
        guard state != .pending || dueAt != nil else {
            throw LedgerError(.corrupt, "a pending message has to be due at some time")
        }
        return [
            StoredValue(state.rawValue), StoredValue(state == .pending ? dueAt : nil), StoredValue(lastAttemptAt),
            StoredValue(lastStatus), StoredValue(lastError),
        ]
    }

    /// The export's part of the key of its queue, as the schema has it.
    package var queue: String { Self.queue(of: exportID) }
    package static func queue(of exportID: ExportID?) -> String { exportID?.description ?? "" }

    /// Reads a row of the columns. Throws `LedgerError` (`corrupt`) that names the row.
    package static func read(_ row: some StoredRow) throws -> WebhookMessage {
        try UnreadableRow.Table.webhookMessage.naming(export: row[1], id: row[2]) { try WebhookMessage(row) }
    }

    private init(_ row: some StoredRow) throws {
        guard let webhookID = ExportID(row[1] as String) else { throw JSONText.unreadable("webhook_id") }
        let export: String? = row[3]
        let exportID = export.flatMap { ExportID($0) }
        guard (export == nil) == (exportID == nil) else { throw JSONText.unreadable("export_id") }
        guard let type = WebhookEventType(rawValue: row[4]) else { throw JSONText.unreadable("type") }
        guard let state = State(rawValue: row[7]) else { throw JSONText.unreadable("state") }
        let time = Timestamp(milliseconds: row[5])
        self.init(
            webhookID: webhookID,
            id: row[2],
            exportID: exportID,
            type: type,
            time: time,
            body: row[6],
            dueAt: time
        )
        number = row[0]
        self.state = state
        attempts = row[8]
        dueAt = row.time(9)
        lastAttemptAt = row.time(10)
        lastStatus = row[11]
        lastError = row[12]
    }
}

extension RowPage where Value == WebhookMessage {
    /// Reads the newest messages, and no more rows than it needs.
    ///
    /// - Parameter rows: The newest rows of `WebhookMessage.columns` with lower numbers than the first argument, at most as many as
    ///   the second one.
    package init<Rows: BidirectionalCollection>(
        newest limit: Int,
        before: Int64?,
        rows: (Int64, Int) throws -> Rows
    ) throws where Rows.Element: StoredRow {
        self.init()
        var last = before ?? .max
        while values.count < limit, leftOut.count < Self.mostLeftOut {
            let count = limit - values.count
            let found = try rows(last, count)
            for row in found {
                do {
                    values.append(try WebhookMessage.read(row))
                } catch let error as LedgerError where error.row != nil {
                    if let row = error.row { leftOut.append(row) }
                }
            }
            guard found.count == count, let oldest = found.last else { return }
            last = oldest[0]
        }
    }
}
