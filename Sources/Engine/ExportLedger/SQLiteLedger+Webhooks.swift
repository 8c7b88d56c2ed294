public import Exports
import GRDB
public import Webhooks

extension SQLiteLedger: WebhookStore {
    public func insert(_ webhook: Webhook, limit: Int) async throws -> Bool {
        try await write { database in
            let count = try Int.fetchOne(
                database.cachedStatement(sql: "SELECT count(*) FROM webhook WHERE created_by = ?"),
                arguments: [webhook.createdBy]
            )
            guard let count, count < limit else { return false }
            try database.cachedStatement(sql: Webhook.insert).execute(arguments: webhook.arguments)
            return true
        }
    }

    public func webhook(_ id: ExportID) async throws -> Webhook? {
        try await read { try Self.webhook(id, in: $0) }
    }

    public func webhooks(of owner: String?, after: ExportID?, limit: Int) async throws -> [Webhook] {
        let page = try await read { database in
            // The empty text sorts before every id.
            let place: [(any DatabaseValueConvertible)?] = [after?.description ?? ""]
            let isOwned = owner == nil ? "" : " AND created_by = ?"
            let rows = try Row.fetchCursor(
                database,
                sql: "SELECT \(Webhook.names) FROM webhook WHERE id > ?\(isOwned) ORDER BY id",
                arguments: StatementArguments(place + (owner.map { [$0] } ?? []))
            )
            return try Self.page(rows, limit: max(0, limit), by: nil) { try Webhook.read(SQLiteRow(row: $0)) }
        }
        page.leftOut.forEach(unreadable.found)
        return page.values
    }

    public func updateWebhook(
        _ id: ExportID,
        _ change: @escaping @Sendable (inout Webhook) throws -> Void
    ) async throws -> Webhook? {
        try await write { database in
            guard let before = try Self.webhook(id, in: database) else { return nil }
            var after = before
            try change(&after)
            try after.keep(to: before)
            if after != before { try Self.write(after, in: database) }
            return after
        }
    }

    public func deleteWebhook(_ id: ExportID) async throws -> Bool {
        try await write { database in
            try database.cachedStatement(sql: "DELETE FROM webhook WHERE id = ?").execute(arguments: [id.description])
            guard database.changesCount == 1 else { return false }
            _ = try Self.deleteMessages(of: id.description, limit: WebhookQueue.part, in: database)
            return true
        }
    }

    public func expiringUndelivered(
        now: Timestamp,
        by time: Timestamp,
        after: (expiry: Timestamp, id: ExportID)?,
        limit: Int
    ) async throws -> [ExportID] {
        try await ExpiringExport.undelivered(
            from: ExpiringExport.Place(now: now, after: after),
            limit: limit,
            unreadable: { unreadable.found($0) },
            next: { try await expiring(by: time, after: $0) }
        )
    }

    private func expiring(
        by time: Timestamp,
        after place: ExpiringExport.Place
    ) async throws -> [ExpiringExport] {
        try await read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT id, expires_at, files FROM export INDEXED BY export_expiring
                    WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL
                        AND expires_at BETWEEN ?1 AND ?2 AND (expires_at, id) > (?1, ?3)
                    ORDER BY expires_at, id LIMIT \(ExpiringExport.page)
                    """,
                arguments: [place.expiry.milliseconds, time.milliseconds, place.id]
            )
            let delivered = try database.cachedStatement(
                sql: """
                    SELECT DISTINCT coalesce(file_id, '') FROM delivery WHERE export_id = ? AND kind = 'delivery'
                        AND outcome = 'whole' AND range_first IS NULL
                    """
            )
            return try rows.map { row in
                ExpiringExport(
                    id: row[0],
                    expiry: Timestamp(milliseconds: row[1]),
                    files: row[2],
                    delivered: try String.fetchSet(delivered, arguments: [row[0] as String])
                )
            }
        }
    }
}

extension SQLiteLedger {
    static func webhook(_ id: ExportID, in database: Database) throws -> Webhook? {
        try Row.fetchOne(database.cachedStatement(sql: Webhook.select), arguments: [id.description])
            .map { try Webhook.read(SQLiteRow(row: $0)) }
    }

    static func write(_ webhook: Webhook, in database: Database) throws {
        try database.cachedStatement(sql: Webhook.replace).execute(arguments: webhook.arguments)
    }

    /// Deletes messages of a webhook that is deleted. Returns how many.
    static func deleteMessages(of id: String, limit: Int, in database: Database) throws -> Int {
        try database.cachedStatement(
            sql: """
                DELETE FROM webhook_message WHERE number IN (
                    SELECT number FROM webhook_message WHERE webhook_id = ? LIMIT ?
                )
                """
        )
        .execute(arguments: [id, limit])
        return database.changesCount
    }
}

extension Webhook {
    private static let marks = columns.map { _ in "?" }.joined(separator: ", ")
    fileprivate static let select = "SELECT \(names) FROM webhook WHERE id = ?"
    fileprivate static let insert = "INSERT INTO webhook (\(names)) VALUES (\(marks))"
    fileprivate static let replace = "REPLACE INTO webhook (\(names)) VALUES (\(marks))"

    fileprivate var arguments: StatementArguments { StatementArguments(values.map(\.databaseValue)) }
}
