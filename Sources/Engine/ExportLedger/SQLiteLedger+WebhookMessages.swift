public import Exports
import GRDB
public import Webhooks

extension SQLiteLedger {
    public func add(
        _ messages: [WebhookMessage],
        to id: ExportID,
        position: (from: Int64, to: Int64, revision: Int64)?
    ) async throws -> Bool {
        try await write { database in
            guard let present = try Self.place(of: id, in: database),
                position.map({ $0.from == present.position && $0.revision == present.revision }) ?? true
            else { return false }
            for message in messages {
                try database.cachedStatement(sql: WebhookMessage.insert)
                    .execute(
                        arguments: StatementArguments(message.newValues(of: id).map(\.databaseValue))
                    )
            }
            for queue in Set(messages.map(\.queue)) { try Self.change(WebhookQueue.raise, id, queue, in: database) }
            if let position {
                try database.cachedStatement(sql: "UPDATE webhook SET position = ? WHERE id = ?")
                    .execute(arguments: [position.to, id.description])
            }
            return true
        }
    }

    public func claimableWebhooks(at now: Timestamp, perWebhook: Int, limit: Int) async throws -> [ClaimableWebhook] {
        guard limit > 0, perWebhook > 0 else { return [] }
        return try await read { database in
            try Row.fetchAll(
                database.cachedStatement(sql: WebhookMessage.claimable),
                arguments: [perWebhook - 1, now.milliseconds, limit]
            )
            .compactMap { row in ExportID(row[0] as String).map { ClaimableWebhook(id: $0, owner: row[1]) } }
        }
    }

    public func claimMessages(
        of places: [ExportID: Int],
        at now: Timestamp,
        until: Timestamp,
        perWebhook: Int
    ) async throws -> [WebhookMessage] {
        let places = places.filter { $0.value > 0 }
        guard !places.isEmpty, perWebhook > 0 else { return [] }
        let page = try await write { database in
            var due: [DueMessage] = []
            for (webhook, most) in places {
                due += try Self.due(
                    of: webhook.description,
                    at: now,
                    most: most,
                    perWebhook: perWebhook,
                    in: database
                )
            }
            let page = try Self.claim(due.sorted().map(\.number), until: until, in: database)
            for row in page.leftOut { try Self.setAside(row, in: database) }
            return page
        }
        page.leftOut.forEach(unreadable.found)
        return page.values
    }

    public func end(
        _ message: WebhookMessage,
        _ change: @escaping @Sendable (inout WebhookMessage, inout Webhook) -> Void
    ) async throws -> Bool {
        try await write { database in
            guard let before = try Self.webhook(message.webhookID, in: database) else { return false }
            var (ended, after) = (message, before)
            change(&ended, &after)
            let claim: [DatabaseValue] = [
                message.webhookID.description.databaseValue, message.id.databaseValue, message.attempts.databaseValue,
            ]
            try database.cachedStatement(sql: WebhookMessage.end)
                .execute(arguments: StatementArguments(ended.endValues().map(\.databaseValue) + claim))
            guard database.changesCount == 1 else { return false }
            try Self.change(WebhookQueue.raise, message.webhookID, message.queue, in: database)
            try after.keep(to: before)
            if after != before { try Self.write(after, in: database) }
            return true
        }
    }

    public func nextMessage(perWebhook: Int) async throws -> Timestamp? {
        guard perWebhook > 0 else { return nil }
        return try await read { database in
            try Int64.fetchOne(database.cachedStatement(sql: WebhookMessage.next), arguments: [perWebhook - 1])
                .map(Timestamp.init(milliseconds:))
        }
    }

    public func messages(
        of id: ExportID,
        state: WebhookMessage.State?,
        before: Int64?,
        limit: Int
    ) async throws -> [WebhookMessage]? {
        let states = (state.map { [$0] } ?? WebhookMessage.State.allCases).map(\.rawValue)
        let ranges = states.map { _ in "SELECT * FROM (\(WebhookMessage.ofState))" }.joined(separator: " UNION ALL ")
        let page = try await read { database -> RowPage<WebhookMessage>? in
            guard try Self.place(of: id, in: database) != nil else { return nil }
            return try RowPage(newest: limit, before: before) { last, count in
                try Row.fetchAll(
                    database.cachedStatement(sql: "\(ranges) ORDER BY 1 DESC LIMIT ?"),
                    arguments: StatementArguments(
                        states.flatMap { state -> [any DatabaseValueConvertible] in
                            [id.description, state, last, count]
                        } + [count]
                    )
                )
                .map { SQLiteRow(row: $0) }
            }
        }
        page?.leftOut.forEach(unreadable.found)
        return page?.values
    }

    public func message(_ messageID: String, of id: ExportID) async throws -> WebhookMessage? {
        try await read { database in
            try Row.fetchOne(
                database.cachedStatement(sql: WebhookMessage.select),
                arguments: [id.description, messageID]
            )
            .map { try WebhookMessage.read(SQLiteRow(row: $0)) }
        }
    }
}
