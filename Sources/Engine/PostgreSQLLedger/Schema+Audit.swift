extension Schema {
    // The columns in the order in which they take the least space. See the nineteenth migration of the SQLite file.
    static let audit = """
        CREATE TABLE IF NOT EXISTS audit_pending (
            number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            time BIGINT NOT NULL,
            id TEXT COLLATE "C" NOT NULL,
            action TEXT COLLATE "C" NOT NULL,
            outcome TEXT NOT NULL,
            caller TEXT COLLATE "C",
            address TEXT,
            request_id TEXT,
            export_id TEXT COLLATE "C",
            details TEXT,
            stamp BYTEA NOT NULL,
            key_id TEXT NOT NULL
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
        CREATE TABLE IF NOT EXISTS audit_rejected (
            number BIGINT NOT NULL PRIMARY KEY,
            time BIGINT NOT NULL,
            id TEXT COLLATE "C" NOT NULL,
            action TEXT COLLATE "C" NOT NULL,
            outcome TEXT NOT NULL,
            caller TEXT COLLATE "C",
            address TEXT,
            request_id TEXT,
            export_id TEXT COLLATE "C",
            details TEXT,
            stamp BYTEA NOT NULL,
            key_id TEXT NOT NULL
        );
        CREATE TABLE IF NOT EXISTS audit_row (
            sequence BIGINT NOT NULL PRIMARY KEY,
            time BIGINT NOT NULL,
            id TEXT COLLATE "C" NOT NULL,
            action TEXT COLLATE "C" NOT NULL,
            outcome TEXT NOT NULL,
            caller TEXT COLLATE "C",
            address TEXT,
            request_id TEXT,
            export_id TEXT COLLATE "C",
            details TEXT,
            key_id TEXT NOT NULL,
            previous BYTEA NOT NULL,
            code BYTEA NOT NULL
        );
        CREATE UNIQUE INDEX IF NOT EXISTS audit_row_by_id ON audit_row (id);
        CREATE INDEX IF NOT EXISTS audit_row_by_time ON audit_row (time, sequence);
        CREATE INDEX IF NOT EXISTS audit_row_by_caller ON audit_row (caller, time, sequence) WHERE caller IS NOT NULL;
        CREATE INDEX IF NOT EXISTS audit_row_by_action ON audit_row (action, time, sequence);
        CREATE INDEX IF NOT EXISTS audit_row_by_export ON audit_row (export_id, time, sequence)
            WHERE export_id IS NOT NULL;
        CREATE TABLE IF NOT EXISTS audit_anchor (
            number BIGINT NOT NULL PRIMARY KEY CHECK (number = 1),
            sequence BIGINT NOT NULL,
            code BYTEA NOT NULL,
            time BIGINT NOT NULL,
            newest BIGINT NOT NULL,
            key_id TEXT NOT NULL,
            proof BYTEA NOT NULL
        );
        """
}
