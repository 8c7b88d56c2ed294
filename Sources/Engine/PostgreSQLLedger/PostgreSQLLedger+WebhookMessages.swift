import ExportLedger
public import Exports
import PostgreSQL
public import Webhooks

extension PostgreSQLLedger {
    public func add(
        _ messages: [WebhookMessage],
        to id: ExportID,
        position: (from: Int64, to: Int64, revision: Int64)?
    ) async throws -> Bool {
        try await write(.change, WriteNeeds(webhooks: [id])) { transaction, _ in
            guard var webhook = try transaction.webhooks[id],
                position.map({ $0.from == webhook.position && $0.revision == webhook.revision }) ?? true
            else { return { _ in false } }
            for message in messages { transaction.stage(try WebhookStatements.insert(message, of: id)) }
            if !messages.isEmpty { transaction.stage(WebhookStatements.raise(id, Set(messages.map(\.queue)))) }
            if let position {
                transaction.stage(
                    SQLQuery(WebhookStatements.move, [.text(id.description), .integer(position.to)])
                )
                webhook.position = position.to
                transaction.webhooks.write(webhook)
            }
            return { _ in true }
        }
    }

    public func claimableWebhooks(at now: Timestamp, perWebhook: Int, limit: Int) async throws -> [ClaimableWebhook] {
        guard limit > 0, perWebhook > 0 else { return [] }
        let place: [SQLValue] = [
            .integer(Int64(perWebhook - 1)), .integer(now.milliseconds), .integer(Int64(limit)),
        ]
        return try await read { connection in
            try connection.query(SQLQuery(WebhookStatements.claimable, place))
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
        let wanted = Dictionary(uniqueKeysWithValues: places.map { ($0.key.description, Int64($0.value)) })
        let page = try await writeAlone { connection in
            try connection.transaction { connection in
                // Another replica that claims messages of these webhooks waits here, and then sees what was claimed.
                let locked = try connection.query(
                    SQLQuery(WebhookStatements.lockEnabled, [.textArray(wanted.keys.sorted())])
                )
                let webhooks = locked.map { $0[0] as String }
                let values: [SQLValue] = [
                    .textArray(webhooks), .integerArray(webhooks.map { wanted[$0] ?? 0 }), .integer(now.milliseconds),
                    .integer(until.milliseconds), .integer(Int64(perWebhook)),
                ]
                let rows = try connection.query(SQLQuery(WebhookStatements.claim, values))
                let sorted = rows.sorted { left, right in
                    let column = WebhookStatements.formerDueColumn
                    return (left[column] as Int64, left[0] as Int64) < (right[column] as Int64, right[0] as Int64)
                }
                var left = sorted.makeIterator()
                let page = try RowPage<WebhookMessage>(limit: .max, by: nil) {
                    left.next()
                } read: {
                    try WebhookMessage.read($0)
                }
                for row in page.leftOut { try Self.setAside(row, on: connection) }
                return page
            }
        }
        page.leftOut.forEach(unreadable.found)
        return page.values
    }

    /// Gives a message up that was claimed and cannot be read, if it was claimed often enough. Its webhook is locked.
    private static func setAside(_ row: UnreadableRow, on connection: PostgreSQLConnection) throws {
        guard let webhook = ExportID(row.export), let id = row.id else { return }
        let query = SQLQuery(WebhookStatements.setAside, [.text(row.export), .text(id)])
        guard let ended = try connection.query(query).first else { return }
        _ = try connection.query(WebhookStatements.raise(webhook, [ended[0]]))
    }

    public func end(
        _ message: WebhookMessage,
        _ change: @escaping @Sendable (inout WebhookMessage, inout Webhook) -> Void
    ) async throws -> Bool {
        var needs = WriteNeeds(webhooks: [message.webhookID])
        needs.messageClaim = LockedWebhooks.MessageClaim(message)
        return try await write(.change, needs) { transaction, _ in
            guard let before = try transaction.webhooks[message.webhookID], transaction.webhooks.end(message) else {
                return { _ in false }
            }
            var (ended, after) = (message, before)
            change(&ended, &after)
            transaction.stage(try WebhookStatements.end(ended))
            transaction.stage(WebhookStatements.raise(message.webhookID, [message.queue]))
            try transaction.write(after, over: before)
            return { _ in true }
        }
    }

    public func nextMessage(perWebhook: Int) async throws -> Timestamp? {
        guard perWebhook > 0 else { return nil }
        let query = SQLQuery(WebhookStatements.next, [.integer(Int64(perWebhook - 1))])
        return try await read { try $0.query(query) }.first?.time(0)
    }

    public func messages(
        of id: ExportID,
        state: WebhookMessage.State?,
        before: Int64?,
        limit: Int
    ) async throws -> [WebhookMessage]? {
        let name = SQLValue.text(id.description)
        let states = SQLValue.textArray((state.map { [$0] } ?? WebhookMessage.State.allCases).map(\.rawValue))
        let page = try await read { connection -> RowPage<WebhookMessage>? in
            guard try !connection.query(SQLQuery(WebhookStatements.isKnown, [name])).isEmpty else { return nil }
            return try RowPage(newest: limit, before: before) { last, count in
                let place: [SQLValue] = [name, states, .integer(last), .integer(Int64(count))]
                return try connection.query(SQLQuery(WebhookStatements.newest, place))
            }
        }
        page?.leftOut.forEach(unreadable.found)
        return page?.values
    }

    public func message(_ messageID: String, of id: ExportID) async throws -> WebhookMessage? {
        let query = SQLQuery(WebhookStatements.message, [.text(id.description), .text(messageID)])
        return try await read { try $0.query(query).first.map { try WebhookMessage.read($0) } }
    }

    public func replay(
        of id: ExportID,
        messageID: String?,
        since: Timestamp?,
        dueAt: Timestamp
    ) async throws -> Int {
        let name = SQLValue.text(id.description)
        if let messageID {
            return try await replay(of: id, SQLQuery(WebhookStatements.ended, [name, .text(messageID)]), dueAt).count
        }
        var (count, last) = (0, Int64.min)
        while true {
            try Task.checkCancellation()
            let place: [SQLValue] = [
                name, .integer(last), .integer(since?.milliseconds ?? .min), .integer(Int64(WebhookQueue.part)),
            ]
            let part = try await replay(of: id, SQLQuery(WebhookStatements.failed, place), dueAt)
            count += part.count
            guard part.count == WebhookQueue.part, let number = part.last else { return count }
            last = number
        }
    }

    /// Replays the messages that a query selects. Returns their numbers.
    private func replay(of id: ExportID, _ selection: SQLQuery, _ dueAt: Timestamp) async throws -> [Int64] {
        try await write(.change, WriteNeeds(webhooks: [id])) { transaction, _ in
            guard transaction.webhooks.contains(id) else { return { _ in [] } }
            let rows = try transaction.query(selection)
            let numbers = rows.map { $0[0] as Int64 }
            let queues = Set(rows.map { $0[1] as String })
            transaction.stage(WebhookStatements.lower(id, queues))
            transaction.stage(
                SQLQuery(WebhookStatements.replay, [.integerArray(numbers), .integer(dueAt.milliseconds)])
            )
            transaction.stage(WebhookStatements.raise(id, queues))
            return { _ in numbers }
        }
    }

    public func pendingMessages() async throws -> [ExportID: WebhookBacklog] {
        try await read { connection in
            try connection.query(SQLQuery(WebhookStatements.backlogs, []))
                .reduce(into: [:]) { backlogs, row in
                    guard let id = ExportID(row[0] as String) else { return }
                    let count: Int64 = row[1]
                    backlogs[id] = WebhookBacklog(count: Int(count), oldest: Timestamp(milliseconds: row[2]))
                }
        }
    }

    public func giveUpMessages(
        of id: ExportID,
        revision: Int64,
        before time: Timestamp,
        error: String,
        limit: Int
    ) async throws -> Int {
        guard limit > 0 else { return 0 }
        let place: [SQLValue] = [
            .text(id.description), .integer(time.milliseconds), .integer(Int64(limit)),
        ]
        return try await write(.change, WriteNeeds(webhooks: [id])) { transaction, _ in
            guard let webhook = try transaction.webhooks[id], webhook.state != .enabled, webhook.revision == revision
            else { return { _ in 0 } }
            let rows = try transaction.query(SQLQuery(WebhookStatements.pending, place))
            let numbers = rows.map { $0[0] as Int64 }
            transaction.stage(SQLQuery(WebhookStatements.giveUp, [.integerArray(numbers), .text(error)]))
            transaction.stage(WebhookStatements.raise(id, Set(rows.map { $0[1] as String })))
            // A later write of the group may be the end of a claim on one of them.
            transaction.webhooks.giveUp(rows.map { $0[2] }, of: id)
            return { _ in numbers.count }
        }
    }

    public func pruneMessages(before time: Timestamp, limit: Int) async throws -> Int {
        guard limit > 0 else { return 0 }
        return try await writeAlone { connection in
            var count = 0
            for orphan in try connection.query(SQLQuery(WebhookStatements.orphans)) where count < limit {
                let left = SQLValue.integer(Int64(limit - count))
                let place: [SQLValue] = [.text(orphan[0] as String), left]
                count += try connection.query(SQLQuery(WebhookStatements.deleteMessages, place)).affected
            }
            guard count < limit else { return count }
            let place: [SQLValue] = [.integer(time.milliseconds), .integer(Int64(limit - count))]
            return count + (try connection.query(SQLQuery(WebhookStatements.prune, place)).affected)
        }
    }
}
