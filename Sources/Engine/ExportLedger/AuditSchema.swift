/// The nineteenth migration: the audit trail. Never edited.
///
/// - `audit_pending` has the entries that are not sealed, as they are stored by the transactions of what they are about.
/// - `audit_rejected` has entries that were not sealed because no gateway had made them, or because they were sealed before.
/// - `audit_row` is the chain. Its rows are inserted in the order of their numbers, and never updated.
/// - `audit_anchor` has one row where rows were deleted: the last one of them.
enum AuditSchema {
    static let schema = """
        CREATE TABLE audit_pending (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            \(entry),
            stamp BLOB NOT NULL,
            key_id TEXT NOT NULL
        ) STRICT;

        CREATE TABLE audit_rejected (
            number INTEGER NOT NULL PRIMARY KEY,
            \(entry),
            stamp BLOB NOT NULL,
            key_id TEXT NOT NULL
        ) STRICT;

        CREATE TABLE audit_row (
            sequence INTEGER NOT NULL PRIMARY KEY,
            \(entry),
            previous BLOB NOT NULL,
            key_id TEXT NOT NULL,
            code BLOB NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX audit_row_by_id ON audit_row (id);
        CREATE INDEX audit_row_by_time ON audit_row (time, sequence);
        CREATE INDEX audit_row_by_caller ON audit_row (caller, time, sequence) WHERE caller IS NOT NULL;
        CREATE INDEX audit_row_by_action ON audit_row (action, time, sequence);
        CREATE INDEX audit_row_by_export ON audit_row (export_id, time, sequence) WHERE export_id IS NOT NULL;

        CREATE TABLE audit_anchor (
            number INTEGER NOT NULL PRIMARY KEY CHECK (number = 1),
            sequence INTEGER NOT NULL,
            code BLOB NOT NULL,
            time INTEGER NOT NULL,
            newest INTEGER NOT NULL,
            key_id TEXT NOT NULL,
            proof BLOB NOT NULL
        ) STRICT;
        """

    private static let entry = """
        id TEXT NOT NULL,
            time INTEGER NOT NULL,
            action TEXT NOT NULL,
            outcome TEXT NOT NULL,
            caller TEXT,
            address TEXT,
            request_id TEXT,
            export_id TEXT,
            details TEXT
        """
}
