extension Schema {
    /// What the version of a replica must be at least, so that it knows tombstones.
    static let tombstoneVersion: Int64 = 5

    // Several transactions, so that none holds a lock on one table while it waits for another one, and that the lock which keeps
    // readers away is not held while the index is made. A start that is cut off in between makes the rest the next time.
    static let retention = """
        ALTER TABLE export ADD COLUMN IF NOT EXISTS retained_at BIGINT;
        COMMIT; BEGIN;
        -- The last migration that a replica knows. The versions that do not store it know the fourth at most.
        ALTER TABLE replica ADD COLUMN IF NOT EXISTS knows BIGINT NOT NULL DEFAULT 4;
        COMMIT; BEGIN;
        ALTER TABLE export_tombstone
            ADD COLUMN IF NOT EXISTS provider TEXT COLLATE "C" NOT NULL DEFAULT '',
            ADD COLUMN IF NOT EXISTS connection TEXT COLLATE "C" NOT NULL DEFAULT '',
            ADD COLUMN IF NOT EXISTS completed_at BIGINT NOT NULL DEFAULT 0,
            ADD COLUMN IF NOT EXISTS job TEXT COLLATE "C";
        CREATE INDEX IF NOT EXISTS export_tombstone_by_time ON export_tombstone (time);
        CREATE INDEX IF NOT EXISTS export_tombstone_by_job ON export_tombstone (job) WHERE job IS NOT NULL;
        -- Changes of retained exports that are too old to be told.
        CREATE TABLE IF NOT EXISTS export_event_retained (
            sequence BIGINT NOT NULL,
            revision BIGINT NOT NULL,
            percent_complete BIGINT,
            is_final BIGINT NOT NULL,
            time BIGINT NOT NULL,
            ends BIGINT,
            export_id TEXT COLLATE "C" NOT NULL,
            created_by TEXT COLLATE "C" NOT NULL,
            status TEXT NOT NULL,
            code TEXT,
            PRIMARY KEY (export_id, sequence)
        );
        COMMIT; BEGIN;
        -- Only exports that may be purged, in the order of their ends.
        CREATE INDEX IF NOT EXISTS export_ended ON export (provider, status, completed_at, id)
            WHERE phase = 'settled' AND retained_at IS NULL AND recovering_since IS NULL;
        CREATE INDEX IF NOT EXISTS export_retained ON export (id) WHERE retained_at IS NOT NULL;
        """
}
