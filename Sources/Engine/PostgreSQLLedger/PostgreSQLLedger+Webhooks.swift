public import ExportLedger
public import Exports
import PostgreSQL
public import Webhooks

extension PostgreSQLLedger: WebhookStore {
    public func insert(_ webhook: Webhook, limit: Int) async throws -> Bool {
        let owner: [SQLValue] = [.text(webhook.createdBy)]
        return try await write(.alone, WriteNeeds()) { transaction, _ in
            _ = try transaction.query(SQLQuery(WebhookStatements.lockOwner, owner))
            let count = try transaction.query(SQLQuery(WebhookStatements.count, owner))[0][0] as Int64
            guard count < limit else { return { _ in false } }
            transaction.stage(try WebhookStatements.insert(webhook))
            return { _ in true }
        }
    }

    public func webhook(_ id: ExportID) async throws -> Webhook? {
        let query = SQLQuery(WebhookStatements.select, [.text(id.description)])
        return try await read { try $0.query(query).first.map { try Webhook.read($0) } }
    }

    public func webhooks(of owner: String?, after: ExportID?, limit: Int) async throws -> [Webhook] {
        let limit = max(0, limit)
        // The empty text sorts before every id.
        var place: [SQLValue] = [.text(after?.description ?? ""), .integer(RowPage<Webhook>.rows(for: limit))]
        if let owner { place.append(.text(owner)) }
        let query = SQLQuery(owner == nil ? WebhookStatements.page : WebhookStatements.pageOfOwner, place)
        let page = try RowPage<Webhook>(try await read { try $0.query(query) }, limit: limit) { try Webhook.read($0) }
        page.leftOut.forEach(unreadable.found)
        return page.values
    }

    public func updateWebhook(
        _ id: ExportID,
        _ change: @escaping @Sendable (inout Webhook) throws -> Void
    ) async throws -> Webhook? {
        try await write(.change, WriteNeeds(webhooks: [id])) { transaction, _ in
            guard let before = try transaction.webhooks[id] else { return { _ in nil } }
            var after = before
            try change(&after)
            try transaction.write(after, over: before)
            return { [after] _ in after }
        }
    }

    public func deleteWebhook(_ id: ExportID) async throws -> Bool {
        let name = SQLValue.text(id.description)
        return try await write(.change, WriteNeeds(webhooks: [id])) { transaction, _ in
            guard transaction.webhooks.contains(id) else { return { _ in false } }
            transaction.stage(SQLQuery(WebhookStatements.delete, [name]))
            let part = SQLValue.integer(Int64(WebhookQueue.part))
            transaction.stage(SQLQuery(WebhookStatements.deleteMessages, [name, part]))
            transaction.webhooks.delete(id)
            return { _ in true }
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
        let range: [SQLValue] = [
            .integer(place.expiry.milliseconds), .integer(time.milliseconds), .text(place.id),
        ]
        return try await read { connection in
            let rows = try connection.query(SQLQuery(WebhookStatements.expiring, range))
            let ids = SQLValue.textArray(rows.map { $0[0] })
            var delivered: [String: Set<String>] = [:]
            for row in try connection.query(SQLQuery(WebhookStatements.delivered, [ids])) {
                delivered[row[0], default: []].insert(row[1])
            }
            return rows.map { row in
                let id: String = row[0]
                return ExpiringExport(
                    id: id,
                    expiry: Timestamp(milliseconds: row[1]),
                    files: row[2],
                    delivered: delivered[id] ?? []
                )
            }
        }
    }
}

extension GroupTransaction {
    /// Writes a webhook that was changed. Throws `LedgerError` (`corrupt`) where that altered what it must not.
    func write(_ after: Webhook, over before: Webhook) throws {
        try after.keep(to: before)
        guard after != before else { return }
        stage(try WebhookStatements.update(after))
        webhooks.write(after)
    }
}
