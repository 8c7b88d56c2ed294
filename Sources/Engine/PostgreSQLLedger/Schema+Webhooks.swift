extension Schema {
    // The order of a webhook's messages is that of their numbers: they are given out under the lock of its row. Each message is
    // written about three times, so its table is vacuumed early.
    static let webhooks = """
        CREATE TABLE webhook (
            id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            sees_all BIGINT NOT NULL,
            revision BIGINT NOT NULL,
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            failing_since BIGINT,
            older_secrets_until BIGINT,
            position BIGINT NOT NULL,
            created_by TEXT COLLATE "C" NOT NULL,
            state TEXT COLLATE "C" NOT NULL,
            disabled_reason TEXT,
            url TEXT NOT NULL,
            label TEXT,
            types TEXT NOT NULL,
            provider TEXT,
            connection TEXT,
            sealed_secrets BYTEA NOT NULL
        ) WITH (fillfactor = 50);
        CREATE INDEX webhook_by_creator ON webhook (created_by, id);

        -- `turn` says where a message stands in its queue.
        CREATE TABLE webhook_message (
            number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            time BIGINT NOT NULL,
            attempts BIGINT NOT NULL,
            due_at BIGINT,
            turn BIGINT,
            last_attempt_at BIGINT,
            last_status BIGINT,
            webhook_id TEXT COLLATE "C" NOT NULL,
            id TEXT COLLATE "C" NOT NULL,
            export_id TEXT COLLATE "C",
            type TEXT NOT NULL,
            state TEXT COLLATE "C" NOT NULL,
            last_error TEXT,
            body BYTEA NOT NULL
        ) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05);
        CREATE UNIQUE INDEX webhook_message_by_id ON webhook_message (webhook_id, id);
        CREATE INDEX webhook_message_by_state ON webhook_message (webhook_id, state, number);
        CREATE INDEX webhook_message_pending ON webhook_message (webhook_id, coalesce(export_id, ''), number)
            WHERE state = 'pending';
        CREATE INDEX webhook_message_waiting ON webhook_message (webhook_id, state, time, number) WHERE state = 'pending';
        CREATE INDEX webhook_message_turn ON webhook_message (webhook_id, turn, due_at, number) WHERE turn IS NOT NULL;
        CREATE INDEX webhook_message_ended ON webhook_message (coalesce(last_attempt_at, time))
            WHERE state <> 'pending';
        """

    // Null for changes that a version before has stored.
    static let ends = """
        ALTER TABLE export_event ADD COLUMN ends BIGINT;
        ALTER TABLE export_event_pending ADD COLUMN ends BIGINT;
        """
}
