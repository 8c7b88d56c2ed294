/// What must hold between the rows of tables.
struct LedgerRule {
    var table: String
    /// What the rows are that violate it.
    var meaning: String
    /// Selects their ids. The same in SQLite and PostgreSQL.
    var violations: String

    /// - Parameters:
    ///   - requestKey: The column by which requests are joined with their exports.
    ///   - changes: Selects `sequence`, `export_id` and `revision` of all changes, with those that have no number yet.
    static func all(requestKey: String, changes: String) -> [LedgerRule] {
        let ofExports = ["delivery", "measurement", "refresh_token", "export_event_retained"]
            .map { table in
                LedgerRule(
                    table: table,
                    meaning: "rows of exports that do not exist",
                    violations: """
                        SELECT export_id FROM \(table)
                        WHERE NOT EXISTS (SELECT 1 FROM export WHERE export.id = \(table).export_id)
                        """
                )
            }
        return [claims] + ofExports + [
            LedgerRule(
                table: "export",
                meaning: "exports without the row of their request",
                violations: """
                    SELECT id FROM export
                    WHERE NOT EXISTS (
                        SELECT 1 FROM export_request WHERE export_request.\(requestKey) = export.\(requestKey)
                    )
                    """
            ),
            LedgerRule(
                table: "export_request",
                meaning: "rows of exports that do not exist",
                violations: """
                    SELECT CAST(\(requestKey) AS TEXT) FROM export_request
                    WHERE NOT EXISTS (
                        SELECT 1 FROM export WHERE export.\(requestKey) = export_request.\(requestKey)
                    )
                    """
            ),
            LedgerRule(
                table: "idempotency",
                meaning: "claims on exports of other callers",
                violations: """
                    SELECT export_id FROM idempotency JOIN export ON export.id = idempotency.export_id
                    WHERE export.created_by <> idempotency.caller
                    """
            ),
            LedgerRule(
                table: "refresh_token",
                meaning: "tokens of exports that are settled",
                violations: """
                    SELECT export_id FROM refresh_token JOIN export ON export.id = refresh_token.export_id
                    WHERE export.phase = 'settled'
                    """
            ),
            LedgerRule(
                table: "export_tombstone",
                meaning: "exports that exist",
                violations: "SELECT export.id FROM export_tombstone JOIN export ON export.id = export_tombstone.id"
            ),
            LedgerRule(
                table: "export_event",
                meaning: "exports with changes that exist neither now nor as purged ones",
                violations: """
                    SELECT DISTINCT export_id FROM (\(changes)) AS change
                    WHERE NOT EXISTS (SELECT 1 FROM export WHERE export.id = change.export_id)
                        AND NOT EXISTS (SELECT 1 FROM export_tombstone WHERE export_tombstone.id = change.export_id)
                    """
            ),
            LedgerRule(
                table: "export_event",
                meaning: "changes whose revision is not above that of the change before",
                violations: """
                    SELECT export_id || ' ' || CAST(sequence AS TEXT) FROM (
                        SELECT sequence, export_id, revision,
                            lag(revision) OVER (PARTITION BY export_id ORDER BY sequence) AS former
                        FROM (\(changes)) AS change
                    ) AS ordered WHERE revision <= former
                    """
            ),
            LedgerRule(
                table: "export_event",
                meaning: "exports whose last change has another revision than they have",
                violations: """
                    SELECT id FROM export JOIN (
                        SELECT export_id, max(revision) AS last FROM (\(changes)) AS change GROUP BY export_id
                    ) AS newest ON newest.export_id = export.id WHERE newest.last <> export.revision
                    """
            ),
            LedgerRule(
                table: "audit_row",
                meaning: "rows that do not follow the row before (`export-gateway audit verify` says more)",
                violations: """
                    SELECT CAST(sequence AS TEXT) FROM (
                        SELECT sequence, previous, lag(sequence) OVER (ORDER BY sequence) AS former,
                            lag(code) OVER (ORDER BY sequence) AS code
                        FROM audit_row
                    ) AS ordered WHERE former IS NOT NULL AND (sequence <> former + 1 OR previous <> code)
                    """
            ),
            LedgerRule(
                table: "audit_pending",
                meaning: "entries that were sealed already",
                violations: """
                    SELECT audit_pending.id FROM audit_pending JOIN audit_row ON audit_row.id = audit_pending.id
                    """
            ),
            // Of a webhook that was deleted, some messages may be left.
            LedgerRule(
                table: "webhook_message",
                meaning: "messages that do not have the turn which their place in the queue gives them",
                violations: """
                    SELECT webhook_id || ' ' || id FROM (
                        SELECT webhook_id, id, number, state, due_at, turn,
                            min(CASE WHEN state = 'pending' THEN number END)
                                OVER (PARTITION BY webhook_id, coalesce(export_id, '')) AS first
                        FROM webhook_message
                        WHERE EXISTS (SELECT 1 FROM webhook WHERE webhook.id = webhook_message.webhook_id)
                    ) AS queued WHERE CASE
                        WHEN state <> 'pending' THEN turn IS NOT NULL
                        ELSE due_at IS NULL OR (number = first) <> (coalesce(turn, 2) < 2)
                    END
                    """
            ),
        ]
    }

    /// A claim stays when its export is purged.
    private static let claims = LedgerRule(
        table: "idempotency",
        meaning: "claims on exports that exist neither now nor as purged ones",
        violations: """
            SELECT export_id FROM idempotency
            WHERE NOT EXISTS (SELECT 1 FROM export WHERE export.id = idempotency.export_id)
                AND NOT EXISTS (SELECT 1 FROM export_tombstone WHERE export_tombstone.id = idempotency.export_id)
            """
    )
}
