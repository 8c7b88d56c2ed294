/// The eighteenth migration: exports that are kept, the order in which others are purged, and what is left of them. Never edited.
///
/// - `export_ended` has only exports that may be purged, in the order of their ends, so that a batch reads no others.
/// - A claim on an idempotency key stays when its export is purged, so it does not refer to the export by a foreign key any more. The
///   table has the claims of a day.
/// - `export_event_retained` has the changes of retained exports that are too old to be told.
enum RetentionSchema {
    static let schema = """
        ALTER TABLE export ADD COLUMN retained_at INTEGER;
        CREATE INDEX export_ended ON export (provider, status, completed_at, id)
            WHERE phase = 'settled' AND retained_at IS NULL AND recovering_since IS NULL;
        CREATE INDEX export_retained ON export (id) WHERE retained_at IS NOT NULL;

        ALTER TABLE export_tombstone ADD COLUMN provider TEXT NOT NULL DEFAULT '';
        ALTER TABLE export_tombstone ADD COLUMN connection TEXT NOT NULL DEFAULT '';
        ALTER TABLE export_tombstone ADD COLUMN completed_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE export_tombstone ADD COLUMN job TEXT;
        CREATE INDEX export_tombstone_by_time ON export_tombstone (time);
        CREATE INDEX export_tombstone_by_job ON export_tombstone (job) WHERE job IS NOT NULL;

        CREATE TABLE export_event_retained (
            export_id TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            created_by TEXT NOT NULL,
            revision INTEGER NOT NULL,
            status TEXT NOT NULL,
            percent_complete INTEGER,
            is_final INTEGER NOT NULL,
            code TEXT,
            time INTEGER NOT NULL,
            ends INTEGER,
            PRIMARY KEY (export_id, sequence)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE idempotency_claim (
            caller TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            export_id TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            PRIMARY KEY (caller, key)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO idempotency_claim (caller, key, fingerprint, export_id, created_at)
            SELECT caller, key, fingerprint, export_id, created_at FROM idempotency;
        DROP TABLE idempotency;
        ALTER TABLE idempotency_claim RENAME TO idempotency;
        CREATE INDEX idempotency_by_age ON idempotency (created_at);
        """
}
