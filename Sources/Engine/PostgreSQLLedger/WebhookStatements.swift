import ExportLedger
import Exports
import PostgreSQL
import Webhooks

/// The statements for webhooks and their messages.
enum WebhookStatements {
    // MARK: Webhooks

    static let select = SQLStatement("SELECT \(Webhook.names) FROM webhook WHERE id = $1")
    static let page = SQLStatement("SELECT \(Webhook.names) FROM webhook WHERE id > $1 ORDER BY id LIMIT $2")
    static let pageOfOwner = SQLStatement(
        "SELECT \(Webhook.names) FROM webhook WHERE id > $1 AND created_by = $3 ORDER BY id LIMIT $2"
    )
    static let lock = SQLStatement(
        "SELECT \(Webhook.names) FROM webhook WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE"
    )
    /// Two replicas that store webhooks of one owner at the same time come one after the other here.
    static let lockOwner: SQLStatement = "SELECT pg_advisory_xact_lock(hashtextextended($1, 12))"
    static let count: SQLStatement = "SELECT count(*) FROM webhook WHERE created_by = $1"
    static let delete: SQLStatement = "DELETE FROM webhook WHERE id = $1"
    private static let insertWebhook = SQLStatement(
        "INSERT INTO webhook (\(Webhook.names)) VALUES (\(RecordStatements.marks(1...Webhook.columns.count)))"
    )
    private static let updateWebhook = SQLStatement(
        """
        UPDATE webhook SET \(Webhook.columns.enumerated().dropFirst().map { "\($1) = $\($0 + 1)" }.joined(separator: ", "))
            WHERE id = $1
        """
    )

    static func insert(_ webhook: Webhook) throws -> SQLQuery {
        SQLQuery(insertWebhook, try checked(webhook.values, Webhook.columns))
    }

    static func update(_ webhook: Webhook) throws -> SQLQuery {
        SQLQuery(updateWebhook, try checked(webhook.values, Webhook.columns))
    }

    private static func checked(_ values: [StoredValue], _ columns: [String]) throws -> [SQLValue] {
        try zip(values, columns).map { try SQLValue(checked: $0, $1) }
    }

    // MARK: Messages

    private static let insertMessage = SQLStatement(
        """
        INSERT INTO webhook_message (\(WebhookMessage.newColumns.joined(separator: ", ")))
            VALUES (\(RecordStatements.marks(1...WebhookMessage.newColumns.count)))
            ON CONFLICT (webhook_id, id) DO NOTHING
        """
    )

    static func insert(_ message: WebhookMessage, of webhook: ExportID) throws -> SQLQuery {
        SQLQuery(insertMessage, try checked(message.newValues(of: webhook), WebhookMessage.newColumns))
    }

    static let move: SQLStatement = "UPDATE webhook SET position = $2 WHERE id = $1"

    /// Changes the first messages of queues.
    static func raise(_ webhook: ExportID, _ queues: Set<String>) -> SQLQuery {
        SQLQuery(raise, place(webhook, queues))
    }

    static func lower(_ webhook: ExportID, _ queues: Set<String>) -> SQLQuery {
        SQLQuery(lower, place(webhook, queues))
    }

    private static func place(_ webhook: ExportID, _ queues: Set<String>) -> [SQLValue] {
        [.text(webhook.description), .textArray(queues.sorted())]
    }

    private static let areFirst = """
        AND number = ANY (ARRAY(
            SELECT (\(WebhookQueue.first(webhook: "$1", queue: "queue.name"))) FROM unnest($2::text[]) AS queue(name)
        ))
        """
    private static let raise = SQLStatement("\(WebhookQueue.raise) \(areFirst)")
    private static let lower = SQLStatement("\(WebhookQueue.lower) \(areFirst)")

    /// Selects those of the named messages that are claimed, with their attempts.
    static let claims: SQLStatement = """
        SELECT message.webhook_id, message.id, message.attempts
            FROM unnest($1::text[], $2::text[]) AS claim(webhook_id, message_id) CROSS JOIN LATERAL (
                SELECT webhook_id, id, attempts, turn FROM webhook_message
                    WHERE webhook_id = claim.webhook_id AND id = claim.message_id LIMIT 1
            ) AS message WHERE message.turn IN (1, 2)
        """
    private static let endMessage = SQLStatement(
        """
        UPDATE webhook_message
            SET \(WebhookMessage.endColumns.enumerated().map { "\($1) = $\($0 + 3)" }.joined(separator: ", ")), turn = NULL
            WHERE webhook_id = $1 AND id = $2
        """
    )

    static func end(_ message: WebhookMessage) throws -> SQLQuery {
        let values = try checked(message.endValues(), WebhookMessage.endColumns)
        return SQLQuery(endMessage, [.text(message.webhookID.description), .text(message.id)] + values)
    }

    static let claimable = SQLStatement(WebhookQueue.claimable(others: "$1", at: "$2", limit: "$3"))
    static let next = SQLStatement(WebhookQueue.next(others: "$1"))
    static let lockEnabled: SQLStatement = """
        SELECT id FROM webhook WHERE id = ANY($1::text[]) AND state = 'enabled' ORDER BY id FOR NO KEY UPDATE
        """

    /// Claims messages of webhooks that are locked. Of each webhook, those are chosen that became due first, whether nobody has claimed
    /// them or their claim has run out, as many as are wanted and as it may have. The last column is when they became due.
    static let claim = SQLStatement(
        """
        WITH chosen AS MATERIALIZED (
            SELECT due.number, due.due_at FROM unnest($1::text[], $2::bigint[]) AS webhook(id, most) CROSS JOIN LATERAL (
                SELECT number, due_at FROM (
                    (\(due(turn: 0))) UNION ALL (\(due(turn: 1)))
                ) AS either ORDER BY due_at, number LIMIT greatest(0, least(webhook.most, $5 - (
                    SELECT count(*) FROM webhook_message
                        WHERE webhook_id = webhook.id AND turn IN (1, 2) AND due_at > $3
                )))
            ) AS due
        )
        UPDATE webhook_message AS message SET turn = 1, due_at = $4, attempts = message.attempts + 1
            FROM chosen WHERE message.number = chosen.number
            RETURNING \(WebhookMessage.columns.map { "message.\($0)" }.joined(separator: ", ")), chosen.due_at
        """
    )
    static let formerDueColumn = WebhookMessage.columns.count
    static let setAside = SQLStatement(
        "\(WebhookQueue.setAside) AND webhook_id = $1 AND id = $2 RETURNING coalesce(export_id, '')"
    )

    private static func due(turn: Int) -> String {
        """
        SELECT number, due_at FROM webhook_message WHERE webhook_id = webhook.id AND turn = \(turn) AND due_at <= $3
            ORDER BY due_at, number LIMIT $5
        """
    }

    // A message of a webhook that was deleted is gone.
    static let message = SQLStatement(
        """
        SELECT \(WebhookMessage.names) FROM webhook_message WHERE webhook_id = $1 AND id = $2
            AND EXISTS (SELECT 1 FROM webhook WHERE webhook.id = webhook_message.webhook_id)
        """
    )
    static let isKnown: SQLStatement = "SELECT 1 FROM webhook WHERE id = $1"
    static let newest = SQLStatement(
        """
        SELECT page.* FROM unnest($2::text[]) AS of(state) CROSS JOIN LATERAL (
            SELECT \(WebhookMessage.names) FROM webhook_message
                WHERE webhook_id = $1 AND webhook_message.state = of.state AND number < $3
                ORDER BY number DESC LIMIT $4
        ) AS page ORDER BY page.number DESC LIMIT $4
        """
    )

    // MARK: Replays and deletions

    static let ended: SQLStatement = """
        SELECT number, coalesce(export_id, '') FROM webhook_message
            WHERE webhook_id = $1 AND id = $2 AND state <> 'pending'
        """
    static let failed: SQLStatement = """
        SELECT number, coalesce(export_id, '') FROM webhook_message
            WHERE webhook_id = $1 AND state = 'failed' AND number > $2 AND time >= $3 ORDER BY number LIMIT $4
        """
    static let replay = SQLStatement("\(WebhookQueue.replay(dueAt: "$2")) AND number = ANY($1::bigint[])")
    static let backlogs = SQLStatement(WebhookQueue.backlogs)
    static let pending = SQLStatement(WebhookQueue.pending(of: "$1", before: "$2", limit: "$3"))
    static let giveUp = SQLStatement("\(WebhookQueue.giveUp(error: "$2")) AND number = ANY($1::bigint[])")
    static let orphans = SQLStatement(WebhookQueue.orphans)
    static let deleteMessages: SQLStatement = """
        DELETE FROM webhook_message WHERE number = ANY (ARRAY(
            SELECT number FROM webhook_message WHERE webhook_id = $1 LIMIT $2
        ))
        """
    // What is replayed in the meantime stays.
    static let prune: SQLStatement = """
        DELETE FROM webhook_message WHERE state <> 'pending' AND coalesce(last_attempt_at, time) < $1
            AND number = ANY (ARRAY(
                SELECT number FROM webhook_message WHERE state <> 'pending' AND coalesce(last_attempt_at, time) < $1
                    ORDER BY coalesce(last_attempt_at, time) LIMIT $2
            ))
        """

    // MARK: Exports that expire

    static let expiring = SQLStatement(
        """
        SELECT id, expires_at, files FROM export
            WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL
                AND expires_at >= $1 AND expires_at <= $2 AND (expires_at, id) > ($1, $3)
            ORDER BY expires_at, id LIMIT \(ExpiringExport.page)
        """
    )
    static let delivered: SQLStatement = """
        SELECT DISTINCT export_id, coalesce(file_id, '') FROM delivery
            WHERE export_id = ANY($1::text[]) AND kind = 'delivery' AND outcome = 'whole' AND range_first IS NULL
        """
}
