/// The tables, as migrations. A migration that was released is never edited: add another.
///
/// **Only expanding changes.** Replicas are replaced one after the other, so the version before works on the tables while the new one
/// does. A migration may add tables, indexes, and columns that are null or have a default, and nothing that makes a statement of
/// the version before fail or mean something else. What a version does not use any more is removed by a later one. The column
/// `needs` of `ledger_schema` says which version of the tables a program has to know at least.
///
/// Times of exports are milliseconds since 1970, truth values 0 and 1, structured values JSON as text: as in the SQLite file, so that rows
/// can be copied and compared. Texts that are ordered have the collation "C", so that their order is that of their bytes. There are
/// no foreign keys: each check would lock a row that a replica is about to change, and exports are deleted with what belongs to them.
enum Schema {
    struct Migration {
        var version: Int64
        var name: String
        /// The lowest version of the tables that a program has to know to work with the tables after this migration. One less than
        /// `version`, or lower, for expanding changes.
        var needs: Int64
        var script: String
    }

    static let migrations = [
        Migration(version: 1, name: "exports, replicas and leases", needs: 1, script: first),
        Migration(version: 2, name: "deliveries by ticket", needs: 1, script: tickets),
        Migration(version: 3, name: "webhooks", needs: 1, script: webhooks),
        Migration(version: 4, name: "changes that end exports", needs: 1, script: ends),
        Migration(version: 5, name: "retention", needs: 1, script: retention),
        Migration(version: 6, name: "audit trail", needs: 1, script: audit),
    ]

    /// The columns in the order in which they take the least space.
    private static let export = """
        CREATE TABLE export (
            id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            revision BIGINT NOT NULL,
            percent_complete BIGINT,
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            completed_at BIGINT,
            expires_at BIGINT,
            observed_at BIGINT,
            stale BIGINT NOT NULL,
            awaits_authorization BIGINT NOT NULL,
            next_action_at BIGINT,
            scheduled_at BIGINT,
            submitting_since BIGINT,
            upstream_submitting_since BIGINT,
            cancel_wished BIGINT NOT NULL,
            fence BIGINT NOT NULL,
            lease_epoch BIGINT NOT NULL,
            submission_attempts BIGINT NOT NULL,
            resubmissions BIGINT NOT NULL,
            reconcile_misses BIGINT NOT NULL,
            polls BIGINT NOT NULL,
            failures BIGINT NOT NULL,
            missing_since BIGINT,
            start_is_accepted BIGINT NOT NULL,
            file_lag_attempts BIGINT NOT NULL,
            cancel_attempts BIGINT NOT NULL,
            observe_before_cancel BIGINT NOT NULL,
            accepted_since BIGINT NOT NULL,
            recovering_since BIGINT,
            tracking_since BIGINT,
            unknown_since BIGINT,
            files_pending_since BIGINT,
            files_missing_since BIGINT,
            held_seconds BIGINT NOT NULL,
            held_seconds_since_answer BIGINT NOT NULL,
            provider TEXT COLLATE "C" NOT NULL,
            connection TEXT COLLATE "C" NOT NULL,
            status TEXT COLLATE "C" NOT NULL,
            phase TEXT COLLATE "C" NOT NULL,
            created_by TEXT COLLATE "C" NOT NULL,
            name TEXT NOT NULL,
            destination TEXT,
            cancellation TEXT,
            lease_owner TEXT COLLATE "C",
            decision TEXT,
            upstream TEXT,
            reference TEXT,
            -- The job's id in `reference`.
            reference_id TEXT COLLATE "C",
            notice TEXT,
            error TEXT,
            cancel_refusal TEXT,
            files TEXT NOT NULL,
            readings TEXT
        ) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05);

        CREATE TABLE export_request (
            id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            source TEXT NOT NULL,
            plan TEXT NOT NULL
        );

        CREATE INDEX export_by_provider_status ON export (provider, status, id);
        CREATE INDEX export_by_connection_provider_status ON export (connection, provider, status, id);
        CREATE INDEX export_by_creator_provider_status ON export (created_by, provider, status, id);
        CREATE INDEX export_by_creator_connection_provider_status
            ON export (created_by, connection, provider, status, id);
        CREATE INDEX export_unfinished ON export (id) WHERE phase <> 'settled';
        CREATE INDEX export_submitting ON export (provider, connection)
            WHERE phase = 'submitting' AND recovering_since IS NULL;
        CREATE INDEX export_unconfirmed ON export (provider, connection) WHERE recovering_since IS NOT NULL;
        CREATE INDEX export_expiring ON export (expires_at)
            WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL;
        CREATE INDEX export_by_job ON export (reference_id) WHERE reference_id IS NOT NULL;
        """

    // `replica` is the registration that made the change. Rows of the second table are deleted as soon as they are published, so it
    // is vacuumed by their number alone.
    private static let events = """
        CREATE TABLE export_event (
            sequence BIGINT NOT NULL PRIMARY KEY,
            revision BIGINT NOT NULL,
            percent_complete BIGINT,
            is_final BIGINT NOT NULL,
            time BIGINT NOT NULL,
            export_id TEXT COLLATE "C" NOT NULL,
            created_by TEXT COLLATE "C" NOT NULL,
            status TEXT NOT NULL,
            code TEXT,
            replica TEXT COLLATE "C"
        );
        CREATE TABLE export_event_pending (
            key BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            revision BIGINT NOT NULL,
            percent_complete BIGINT,
            is_final BIGINT NOT NULL,
            time BIGINT NOT NULL,
            export_id TEXT COLLATE "C" NOT NULL,
            created_by TEXT COLLATE "C" NOT NULL,
            status TEXT NOT NULL,
            code TEXT,
            replica TEXT COLLATE "C"
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
        -- One row: the number of the last event that was published.
        CREATE TABLE export_event_last (sequence BIGINT NOT NULL) WITH (fillfactor = 10);
        INSERT INTO export_event_last VALUES (0);
        """

    private static let others = """
        CREATE TABLE idempotency (
            caller TEXT COLLATE "C" NOT NULL,
            key TEXT COLLATE "C" NOT NULL,
            fingerprint TEXT NOT NULL,
            export_id TEXT COLLATE "C" NOT NULL,
            created_at BIGINT NOT NULL,
            PRIMARY KEY (caller, key)
        );
        CREATE INDEX idempotency_by_age ON idempotency (created_at);

        -- `replica` is the registration of the process that carries the delivery out.
        CREATE TABLE delivery (
            export_id TEXT COLLATE "C" NOT NULL,
            id TEXT COLLATE "C" NOT NULL,
            kind TEXT NOT NULL,
            file_id TEXT,
            caller TEXT NOT NULL,
            request_id TEXT COLLATE "C" NOT NULL,
            started_at BIGINT NOT NULL,
            ended_at BIGINT,
            coding TEXT NOT NULL,
            range_first BIGINT,
            range_last BIGINT,
            bytes_sent BIGINT NOT NULL,
            file_bytes BIGINT NOT NULL,
            sha256 TEXT,
            resumptions BIGINT NOT NULL,
            outcome TEXT NOT NULL,
            reason TEXT,
            replica TEXT COLLATE "C",
            PRIMARY KEY (export_id, id)
        );
        CREATE INDEX delivery_by_request ON delivery (export_id, request_id, id);
        CREATE INDEX delivery_under_way ON delivery (replica) WHERE outcome = 'underWay';

        CREATE TABLE measurement (
            export_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            due_at BIGINT NOT NULL,
            attempts BIGINT NOT NULL
        );
        CREATE INDEX measurement_by_time ON measurement (due_at, export_id);

        CREATE TABLE refresh_token (
            export_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            sealed BYTEA NOT NULL
        );

        CREATE TABLE export_tombstone (
            id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            created_by TEXT NOT NULL,
            status TEXT NOT NULL,
            time BIGINT NOT NULL
        );
        """

    private static let replicas = """
        CREATE TABLE replica (
            id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            joined_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
            expires_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE replica_lease (
            replica TEXT COLLATE "C" NOT NULL REFERENCES replica ON DELETE CASCADE,
            lease TEXT COLLATE "C" NOT NULL,
            PRIMARY KEY (replica, lease)
        );
        CREATE TABLE replica_connection (
            replica TEXT COLLATE "C" NOT NULL REFERENCES replica ON DELETE CASCADE,
            lease TEXT COLLATE "C" NOT NULL,
            provider TEXT COLLATE "C" NOT NULL,
            connection TEXT COLLATE "C" NOT NULL,
            PRIMARY KEY (replica, lease, provider, connection)
        );
        -- Digests of secrets that all replicas must have, by the configuration key.
        CREATE TABLE replica_secret (
            replica TEXT COLLATE "C" NOT NULL REFERENCES replica ON DELETE CASCADE,
            key TEXT COLLATE "C" NOT NULL,
            digest TEXT NOT NULL,
            PRIMARY KEY (replica, key)
        );
        CREATE TABLE lease (
            name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            owner TEXT COLLATE "C",
            epoch BIGINT NOT NULL DEFAULT 0,
            changed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
        ) WITH (fillfactor = 50);
        -- Downloads under way. Not logged: a crash of the server empties it, and ends no download.
        CREATE UNLOGGED TABLE download_place (
            id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            replica TEXT COLLATE "C" NOT NULL REFERENCES replica ON DELETE CASCADE,
            caller TEXT NOT NULL
        );
        CREATE INDEX download_place_by_caller ON download_place (caller);
        -- The number of the last transaction that each writer has committed.
        CREATE TABLE ledger_writer (
            id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            last_group BIGINT NOT NULL DEFAULT 0,
            used_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
        ) WITH (fillfactor = 50);
        """

    // Each use of a ticket has a number of its own.
    private static let tickets = """
        ALTER TABLE delivery ADD COLUMN ticket TEXT COLLATE "C";
        ALTER TABLE delivery ADD COLUMN ticket_use BIGINT;
        CREATE UNIQUE INDEX delivery_by_ticket ON delivery (export_id, ticket, ticket_use) WHERE ticket IS NOT NULL;
        """

    private static let first = [export, events, others, replicas].joined(separator: "\n")
}
