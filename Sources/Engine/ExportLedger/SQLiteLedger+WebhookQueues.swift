public import Exports
import GRDB
import Webhooks

// How claims, replays and deletions change the queues of messages.
extension SQLiteLedger {
    /// A message that can be claimed, in the order in which it became due.
    struct DueMessage: Comparable {
        var dueAt: Int64
        var number: Int64

        static func < (left: Self, right: Self) -> Bool {
            (left.dueAt, left.number) < (right.dueAt, right.number)
        }
    }

    /// The messages of a webhook that can be claimed: at most `most`, and as many as it may have.
    static func due(
        of webhook: String,
        at now: Timestamp,
        most: Int,
        perWebhook: Int,
        in database: Database
    ) throws -> [DueMessage] {
        let isEnabled = try Bool.fetchOne(
            database.cachedStatement(sql: "SELECT state = 'enabled' FROM webhook WHERE id = ?"),
            arguments: [webhook]
        )
        let claimed = try Int.fetchOne(
            database.cachedStatement(sql: WebhookMessage.countClaims),
            arguments: [webhook, now.milliseconds]
        )
        guard isEnabled == true, let claimed, claimed < perWebhook else { return [] }
        let places = min(most, perWebhook - claimed)
        // Those that nobody has claimed, and those whose claim has run out.
        let due = try [0, 1]
            .flatMap { turn in
                try Row.fetchAll(
                    database.cachedStatement(sql: WebhookMessage.due),
                    arguments: [webhook, turn, now.milliseconds, places]
                )
                .map { DueMessage(dueAt: $0[0], number: $0[1]) }
            }
        return Array(due.sorted().prefix(places))
    }

    /// Claims messages and reads them.
    static func claim(_ numbers: [Int64], until: Timestamp, in database: Database) throws -> RowPage<WebhookMessage> {
        for number in numbers {
            try database.cachedStatement(sql: WebhookMessage.claim).execute(arguments: [until.milliseconds, number])
        }
        var left = numbers.makeIterator()
        return try RowPage(limit: .max, by: nil) {
            try left.next()
                .flatMap { number in
                    try Row.fetchOne(
                        database.cachedStatement(sql: WebhookMessage.selectNumber),
                        arguments: [number]
                    )
                }
        } read: {
            try WebhookMessage.read(SQLiteRow(row: $0))
        }
    }

    /// Gives a message up that was claimed and cannot be read, if it was claimed often enough.
    static func setAside(_ row: UnreadableRow, in database: Database) throws {
        guard let webhook = ExportID(row.export), let id = row.id else { return }
        try database.cachedStatement(sql: WebhookMessage.setAside).execute(arguments: [row.export, id])
        guard database.changesCount == 1,
            let queue = try String.fetchOne(
                database.cachedStatement(sql: WebhookMessage.queue),
                arguments: [row.export, id]
            )
        else { return }
        try change(WebhookQueue.raise, webhook, queue, in: database)
    }

    /// Changes the first message of a queue.
    static func change(_ update: String, _ webhook: ExportID, _ queue: String, in database: Database) throws {
        let first = WebhookQueue.first(webhook: "?", queue: "?")
        try database.cachedStatement(sql: "\(update) AND number = (\(first))")
            .execute(arguments: [webhook.description, queue])
    }

    /// What a write about messages is compared with.
    struct WebhookPlace {
        var position: Int64
        var revision: Int64
        var isEnabled: Bool
    }

    /// The place of a webhook; nil for an unknown one.
    static func place(of webhook: ExportID, in database: Database) throws -> WebhookPlace? {
        try Row.fetchOne(
            database.cachedStatement(sql: "SELECT position, revision, state = 'enabled' FROM webhook WHERE id = ?"),
            arguments: [webhook.description]
        )
        .map { WebhookPlace(position: $0[0], revision: $0[1], isEnabled: $0[2]) }
    }

    public func replay(
        of id: ExportID,
        messageID: String?,
        since: Timestamp?,
        dueAt: Timestamp
    ) async throws -> Int {
        if let messageID { return try await replay(of: id, WebhookMessage.ended, [messageID], dueAt).count }
        var (count, last) = (0, Int64.min)
        while true {
            try Task.checkCancellation()
            let since = since?.milliseconds ?? .min
            let part = try await replay(of: id, WebhookMessage.failed, [last, since, WebhookQueue.part], dueAt)
            count += part.count
            guard part.count == WebhookQueue.part, let number = part.last else { return count }
            last = number
        }
    }

    /// Replays the messages that a statement selects. Returns their numbers.
    private func replay(
        of id: ExportID,
        _ selection: String,
        _ place: [any DatabaseValueConvertible & Sendable],
        _ dueAt: Timestamp
    ) async throws -> [Int64] {
        try await write { database in
            guard try Self.place(of: id, in: database) != nil else { return [] }
            let values: [(any DatabaseValueConvertible)?] = [id.description]
            let rows = try Row.fetchAll(
                database.cachedStatement(sql: selection),
                arguments: StatementArguments(values + place)
            )
            let queues = Set(rows.map { $0[1] as String })
            for queue in queues { try Self.change(WebhookQueue.lower, id, queue, in: database) }
            for row in rows {
                try database.cachedStatement(sql: "\(WebhookQueue.replay(dueAt: "?")) AND number = ?")
                    .execute(arguments: [dueAt.milliseconds, row[0] as Int64])
            }
            for queue in queues { try Self.change(WebhookQueue.raise, id, queue, in: database) }
            return rows.map { $0[0] }
        }
    }

    public func pendingMessages() async throws -> [ExportID: WebhookBacklog] {
        try await read { database in
            try Row.fetchAll(database.cachedStatement(sql: WebhookQueue.backlogs))
                .reduce(into: [:]) { backlogs, row in
                    guard let id = ExportID(row[0] as String) else { return }
                    backlogs[id] = WebhookBacklog(count: row[1], oldest: Timestamp(milliseconds: row[2]))
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
        return try await write { database in
            guard let place = try Self.place(of: id, in: database), !place.isEnabled, place.revision == revision else {
                return 0
            }
            let rows = try Row.fetchAll(
                database.cachedStatement(sql: WebhookMessage.pending),
                arguments: [id.description, time.milliseconds, limit]
            )
            for row in rows {
                try database.cachedStatement(sql: "\(WebhookQueue.giveUp(error: "?")) AND number = ?")
                    .execute(arguments: [error, row[0] as Int64])
            }
            for queue in Set(rows.map { $0[1] as String }) {
                try Self.change(WebhookQueue.raise, id, queue, in: database)
            }
            return rows.count
        }
    }

    public func pruneMessages(before time: Timestamp, limit: Int) async throws -> Int {
        guard limit > 0 else { return 0 }
        let orphans = try await read { try String.fetchAll($0, sql: WebhookQueue.orphans) }
        return try await write { database in
            var count = 0
            for webhook in orphans where count < limit {
                count += try Self.deleteMessages(of: webhook, limit: limit - count, in: database)
            }
            guard count < limit else { return count }
            try database.cachedStatement(sql: WebhookMessage.prune)
                .execute(arguments: [time.milliseconds, limit - count])
            return count + database.changesCount
        }
    }
}

extension WebhookMessage {
    static let insert = """
        INSERT INTO webhook_message (\(newColumns.joined(separator: ", "))) VALUES (\(newColumns.map { _ in "?" }.joined(separator: ", ")))
            ON CONFLICT (webhook_id, id) DO NOTHING
        """
    static let end = """
        UPDATE webhook_message SET \(endColumns.map { "\($0) = ?" }.joined(separator: ", ")), turn = NULL
            WHERE webhook_id = ? AND id = ? AND attempts = ? AND turn IN (1, 2)
        """
    static let claimable = WebhookQueue.claimable(others: "?", at: "?", limit: "?")
    static let next = WebhookQueue.next(others: "?")
    // A message of a webhook that was deleted is gone.
    static let select = """
        SELECT \(names) FROM webhook_message WHERE webhook_id = ? AND id = ?
            AND EXISTS (SELECT 1 FROM webhook WHERE webhook.id = webhook_message.webhook_id)
        """
    static let ofState = """
        SELECT \(names) FROM webhook_message WHERE webhook_id = ? AND state = ? AND number < ? ORDER BY number DESC LIMIT ?
        """
    fileprivate static let selectNumber = "SELECT \(names) FROM webhook_message WHERE number = ?"
    static let countClaims =
        "SELECT count(*) FROM webhook_message WHERE webhook_id = ? AND turn IN (1, 2) AND due_at > ?"
    static let due = """
        SELECT due_at, number FROM webhook_message WHERE webhook_id = ? AND turn = ? AND turn IS NOT NULL AND due_at <= ?
            ORDER BY due_at, number LIMIT ?
        """
    fileprivate static let claim =
        "UPDATE webhook_message SET turn = 1, due_at = ?, attempts = attempts + 1 WHERE number = ?"
    fileprivate static let ended = """
        SELECT number, coalesce(export_id, '') FROM webhook_message WHERE webhook_id = ? AND id = ? AND state <> 'pending'
        """
    static let failed = """
        SELECT number, coalesce(export_id, '') FROM webhook_message
            WHERE webhook_id = ? AND state = 'failed' AND number > ? AND time >= ? ORDER BY number LIMIT ?
        """
    fileprivate static let setAside = "\(WebhookQueue.setAside) AND webhook_id = ? AND id = ?"
    fileprivate static let queue =
        "SELECT coalesce(export_id, '') FROM webhook_message WHERE webhook_id = ? AND id = ?"
    static let pending = WebhookQueue.pending(of: "?", before: "?", limit: "?")
    static let prune = """
        DELETE FROM webhook_message WHERE number IN (
            SELECT number FROM webhook_message WHERE state <> 'pending' AND coalesce(last_attempt_at, time) < ?
                ORDER BY coalesce(last_attempt_at, time) LIMIT ?
        )
        """
}
