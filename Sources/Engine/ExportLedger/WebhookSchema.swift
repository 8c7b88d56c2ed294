/// The sixteenth migration: webhooks and their messages. Never edited.
///
/// `turn` says where a message stands in its queue, which is that of its webhook and its export, or of its webhook's own events. See
/// ``WebhookQueue``. Only messages with a turn are in the index by which they are claimed, so that a claim reads neither those that
/// have ended nor those that wait for others.
///
/// A message does not refer to its webhook by a foreign key: a webhook is deleted at once, and many messages later.
enum WebhookSchema {
    static let schema = """
        CREATE TABLE webhook (
            id TEXT NOT NULL PRIMARY KEY,
            created_by TEXT NOT NULL,
            sees_all INTEGER NOT NULL,
            revision INTEGER NOT NULL,
            url TEXT NOT NULL,
            label TEXT,
            types TEXT NOT NULL,
            provider TEXT,
            connection TEXT,
            state TEXT NOT NULL,
            disabled_reason TEXT,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            failing_since INTEGER,
            sealed_secrets BLOB NOT NULL,
            older_secrets_until INTEGER,
            position INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE INDEX webhook_by_creator ON webhook (created_by, id);

        CREATE TABLE webhook_message (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            webhook_id TEXT NOT NULL,
            id TEXT NOT NULL,
            export_id TEXT,
            type TEXT NOT NULL,
            time INTEGER NOT NULL,
            state TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            due_at INTEGER,
            turn INTEGER,
            last_attempt_at INTEGER,
            last_status INTEGER,
            last_error TEXT,
            body BLOB NOT NULL
        ) STRICT;

        CREATE UNIQUE INDEX webhook_message_by_id ON webhook_message (webhook_id, id);
        CREATE INDEX webhook_message_by_state ON webhook_message (webhook_id, state, number);
        CREATE INDEX webhook_message_pending ON webhook_message (webhook_id, coalesce(export_id, ''), number)
            WHERE state = 'pending';
        CREATE INDEX webhook_message_waiting ON webhook_message (webhook_id, state, time, number) WHERE state = 'pending';
        CREATE INDEX webhook_message_turn ON webhook_message (webhook_id, turn, due_at, number) WHERE turn IS NOT NULL;
        CREATE INDEX webhook_message_ended ON webhook_message (coalesce(last_attempt_at, time))
            WHERE state <> 'pending';
        """
}
