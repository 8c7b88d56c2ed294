import Webhooks

/// The queues of webhooks' messages: one for each webhook and export, and one for the webhook's own events. The first message of a
/// queue is the pending one with the lowest number. The statements are for both kinds of ledger.
///
/// The column `turn` is kept with every change of a queue, so that nobody has to look for first messages:
/// - null: not pending, or behind the first one;
/// - 0: the first one, not claimed;
/// - 1: the first one, claimed: `due_at` is when the claim runs out;
/// - 2: claimed as the first one, and then an earlier message was replayed: nobody else gets it before its turn comes again.
///
/// Whoever changes a queue holds the lock of its webhook.
package enum WebhookQueue {
    /// So many messages are replayed, or deleted with their webhook, in one transaction.
    package static let part = 1000
    /// A message that cannot be read is given up when it was claimed so many times: with claims of a minute, after ten minutes.
    package static let unreadableClaims = 10

    /// Selects the number of the first message of a queue.
    package static func first(webhook: String, queue: String) -> String {
        """
        SELECT number FROM webhook_message
            WHERE webhook_id = \(webhook) AND coalesce(export_id, '') = \(queue) AND state = 'pending'
            ORDER BY number LIMIT 1
        """
    }

    /// Gives the turn to the message that has become the first one. A condition with its number follows.
    package static let raise =
        "UPDATE webhook_message SET turn = CASE WHEN turn IS NULL THEN 0 ELSE 1 END WHERE (turn IS NULL OR turn = 2)"

    /// Takes the turn from the first message, before an earlier one is replayed. A condition with its number follows.
    package static let lower =
        "UPDATE webhook_message SET turn = CASE WHEN turn = 1 THEN 2 END WHERE turn IN (0, 1)"

    /// Makes a message pending again, without a turn. A condition with its number follows.
    package static func replay(dueAt: String) -> String {
        "UPDATE webhook_message SET state = 'pending', attempts = 0, due_at = \(dueAt) WHERE state <> 'pending'"
    }

    /// Gives messages up. A condition with their numbers follows.
    package static func giveUp(error: String) -> String {
        """
        UPDATE webhook_message SET state = 'failed', due_at = NULL, turn = NULL, last_error = \(error)
            WHERE state = 'pending'
        """
    }

    /// Gives a message up that was claimed and cannot be read. A condition with its webhook and id follows.
    package static let setAside = """
        UPDATE webhook_message
            SET state = 'failed', due_at = NULL, turn = NULL, last_error = '\(WebhookAttemptError.unreadable.rawValue)'
            WHERE turn = 1 AND attempts >= \(unreadableClaims)
        """

    /// Selects the numbers, queues and ids of pending messages of a webhook, the oldest first.
    package static func pending(of webhook: String, before time: String, limit: String) -> String {
        """
        SELECT number, coalesce(export_id, ''), id FROM webhook_message
            WHERE webhook_id = \(webhook) AND state = 'pending' AND time < \(time) ORDER BY time, number LIMIT \(limit)
        """
    }

    /// Selects how many messages of each webhook are pending, and the time of the oldest one.
    package static let backlogs = """
        SELECT webhook_id, count, oldest FROM (
            SELECT webhook_id, count(*) AS count, min(time) AS oldest FROM webhook_message
                WHERE state = 'pending' GROUP BY webhook_id
        ) AS backlog WHERE EXISTS (SELECT 1 FROM webhook WHERE webhook.id = backlog.webhook_id)
        """

    /// Selects the ids of deleted webhooks that have messages.
    package static let orphans = """
        WITH RECURSIVE known(id) AS (
            SELECT min(webhook_id) FROM webhook_message
            UNION ALL
            SELECT (SELECT min(webhook_id) FROM webhook_message WHERE webhook_id > known.id)
            FROM known WHERE known.id IS NOT NULL
        )
        SELECT id FROM known WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM webhook WHERE webhook.id = known.id)
        """

    /// Selects the ids and owners of webhooks of which something can be claimed at a time. The one whose message became due first comes
    /// first.
    package static func claimable(others: String, at now: String, limit: String) -> String {
        "\(claimable(others: others)) SELECT id, owner FROM claimable WHERE due <= \(now) ORDER BY first_due, id LIMIT \(limit)"
    }

    /// Selects when something can be claimed.
    package static func next(others: String) -> String {
        "\(claimable(others: others)) SELECT min(due) FROM claimable"
    }

    /// The enabled webhooks that have messages with a turn, and when one can be claimed. With `others` claims besides, the webhook has
    /// as many as it may have; then it is when the first of them runs out.
    ///
    /// The ids are enumerated with one lookup in the index for each ("loose index scan").
    private static func claimable(others: String) -> String {
        """
        WITH RECURSIVE busy(id) AS (
            SELECT min(webhook_id) FROM webhook_message WHERE turn IS NOT NULL
            UNION ALL
            SELECT (SELECT min(webhook_id) FROM webhook_message WHERE turn IS NOT NULL AND webhook_id > busy.id)
            FROM busy WHERE busy.id IS NOT NULL
        ), candidate(id, owner, first_due, full_until) AS MATERIALIZED (
            SELECT webhook.id, webhook.created_by,
                (SELECT min(due) FROM (
                    SELECT min(due_at) AS due FROM webhook_message WHERE webhook_id = webhook.id AND turn = 0
                    UNION ALL
                    SELECT min(due_at) FROM webhook_message WHERE webhook_id = webhook.id AND turn = 1
                ) AS firsts),
                (SELECT due_at FROM webhook_message WHERE webhook_id = webhook.id AND turn IN (1, 2)
                    ORDER BY due_at DESC LIMIT 1 OFFSET \(others))
            FROM busy JOIN webhook ON webhook.id = busy.id WHERE webhook.state = 'enabled'
        ), claimable(id, owner, first_due, due) AS (
            SELECT id, owner, first_due, CASE WHEN full_until > first_due THEN full_until ELSE first_due END
            FROM candidate WHERE first_due IS NOT NULL
        )
        """
    }
}
