/// The thirteenth migration: a table for the create requests, a row for each change that callers can see, and the columns for leases
/// and retention. Never edited.
///
/// Every export gets a number, by which the two tables are joined. The numbers are in the order of the ids, so that exports that are
/// near in a list are near in the file. Short columns come first, because SQLite reads a row from its beginning.
enum SplitSchema {
    /// A number is never used again, even after its export was deleted.
    static let copy = """
        CREATE TABLE split_export (
            key INTEGER PRIMARY KEY AUTOINCREMENT,
            \(columns),
            lease_epoch INTEGER NOT NULL DEFAULT 0,
            \(longColumns)
        ) STRICT;

        CREATE TABLE export_request (
            key INTEGER PRIMARY KEY REFERENCES export (key) ON DELETE CASCADE,
            source TEXT NOT NULL,
            plan TEXT NOT NULL
        ) STRICT;

        INSERT INTO split_export (key, \(names), lease_epoch)
            SELECT row_number() OVER (ORDER BY id), \(names), lease_owner IS NOT NULL FROM export ORDER BY id;
        INSERT INTO export_request (key, source, plan)
            SELECT row_number() OVER (ORDER BY id), source, plan FROM export ORDER BY id;
        """

    /// To be repeated until nothing is deleted, before the table is dropped. To drop a full table, SQLite would keep all its pages in
    /// memory, to be able to undo it.
    static let emptying = "DELETE FROM export WHERE id IN (SELECT id FROM export ORDER BY id LIMIT 5000)"

    static let schema = """
        DROP TABLE export;
        ALTER TABLE split_export RENAME TO export;

        CREATE UNIQUE INDEX export_by_id ON export (id);
        CREATE INDEX export_by_provider_status ON export (provider, status, id);
        CREATE INDEX export_by_connection_provider_status ON export (connection, provider, status, id);
        CREATE INDEX export_by_creator_provider_status ON export (created_by, provider, status, id);
        CREATE INDEX export_by_creator_connection_provider_status
            ON export (created_by, connection, provider, status, id);
        CREATE INDEX export_unfinished ON export (id) WHERE phase <> 'settled';
        CREATE INDEX export_unconfirmed ON export (provider, connection) WHERE recovering_since IS NOT NULL;
        CREATE INDEX export_expiring ON export (expires_at)
            WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL;
        CREATE INDEX export_by_job ON export (json_extract(reference, '$.id'))
            WHERE reference IS NOT NULL AND json_valid(reference);

        CREATE TABLE export_event (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            export_id TEXT NOT NULL,
            created_by TEXT NOT NULL,
            revision INTEGER NOT NULL,
            status TEXT NOT NULL,
            percent_complete INTEGER,
            is_final INTEGER NOT NULL,
            code TEXT,
            time INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE export_tombstone (
            id TEXT NOT NULL PRIMARY KEY,
            created_by TEXT NOT NULL,
            status TEXT NOT NULL,
            time INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """

    private static let columns = """
        id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        provider TEXT NOT NULL,
        connection TEXT NOT NULL,
        name TEXT NOT NULL,
        status TEXT NOT NULL,
        percent_complete INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        completed_at INTEGER,
        expires_at INTEGER,
        observed_at INTEGER,
        stale INTEGER NOT NULL,
        created_by TEXT NOT NULL,
        destination TEXT,
        cancellation TEXT,
        phase TEXT NOT NULL,
        awaits_authorization INTEGER NOT NULL,
        next_action_at INTEGER,
        scheduled_at INTEGER,
        submitting_since INTEGER,
        upstream_submitting_since INTEGER,
        cancel_wished INTEGER NOT NULL,
        fence INTEGER NOT NULL,
        lease_owner TEXT,
        submission_attempts INTEGER NOT NULL,
        resubmissions INTEGER NOT NULL,
        reconcile_misses INTEGER NOT NULL,
        polls INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        missing_since INTEGER,
        start_is_accepted INTEGER NOT NULL,
        decision TEXT,
        file_lag_attempts INTEGER NOT NULL,
        cancel_attempts INTEGER NOT NULL,
        observe_before_cancel INTEGER NOT NULL,
        accepted_since INTEGER NOT NULL,
        recovering_since INTEGER,
        tracking_since INTEGER,
        unknown_since INTEGER,
        files_pending_since INTEGER,
        files_missing_since INTEGER
        """

    private static let longColumns = """
        upstream TEXT,
        reference TEXT,
        notice TEXT,
        error TEXT,
        cancel_refusal TEXT,
        files TEXT NOT NULL,
        readings TEXT
        """

    /// The names of the columns: the first word of each line.
    private static let names = (columns + ",\n" + longColumns).split(separator: "\n")
        .compactMap { $0.split(separator: " ").first }
        .joined(separator: ", ")
}
