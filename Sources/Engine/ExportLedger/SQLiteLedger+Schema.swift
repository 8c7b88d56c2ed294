import Exports
import GRDB

extension SQLiteLedger {
    /// The schema's history. A migration that was released is never edited: add another.
    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 exports and idempotency keys") { database in
            try database.execute(sql: firstSchema)
        }
        migrator.registerMigration("2 deliveries") { database in
            try database.execute(sql: deliverySchema)
        }
        migrator.registerMigration("3 exports by creator") { database in
            try database.execute(sql: "CREATE INDEX export_by_creator ON export (created_by, id)")
        }
        migrator.registerMigration("4 refresh tokens") { database in
            try database.execute(sql: refreshTokenSchema)
        }
        migrator.registerMigration("5 every end has a time and a reason") { database in
            try database.execute(sql: endsOfOldRows)
        }
        migrator.registerMigration("6 deliveries that begin") { database in
            try database.execute(sql: begunDeliverySchema)
        }
        migrator.registerMigration("7 unconfirmed starts") { database in
            try database.execute(sql: unconfirmedStarts)
        }
        migrator.registerMigration("8 readings of files") { database in
            try database.execute(sql: readingSchema)
        }
        migrator.registerMigration("9 files to be measured") { database in
            try database.execute(sql: measurementSchema)
        }
        migrator.registerMigration("10 exports that may have an unknown job") { database in
            try database.execute(
                sql: """
                    CREATE INDEX export_unconfirmed ON export (provider, connection) WHERE recovering_since IS NOT NULL
                    """
            )
        }
        migrator.registerMigration("11 the engine that works on an export") { database in
            try database.execute(sql: "ALTER TABLE export ADD COLUMN lease_owner TEXT")
        }
        migrator.registerMigration("12 lists by every filter") { database in
            try database.execute(sql: ListIndex.schema)
        }
        migrator.registerMigration("13 requests, changes and leases") { database in
            try database.execute(sql: SplitSchema.copy)
            repeat { try database.execute(sql: SplitSchema.emptying) } while database.changesCount > 0
            try database.execute(sql: SplitSchema.schema)
        }
        // New columns cannot break a foreign key, so the check of the whole file is skipped.
        migrator.registerMigration("14 time held back by the request budget", foreignKeyChecks: .immediate) {
            database in
            try database.execute(sql: heldSchema)
        }
        migrator.registerMigration("15 deliveries by ticket", foreignKeyChecks: .immediate) { database in
            try database.execute(sql: ticketSchema)
        }
        // New tables cannot break one either.
        migrator.registerMigration("16 webhooks", foreignKeyChecks: .immediate) { database in
            try database.execute(sql: WebhookSchema.schema)
        }
        migrator.registerMigration("17 changes that end exports", foreignKeyChecks: .immediate) { database in
            try database.execute(sql: "ALTER TABLE export_event ADD COLUMN ends INTEGER")
        }
        // The check would read the whole file. What is left refers to nothing that it did not refer to before.
        migrator.registerMigration("18 retention", foreignKeyChecks: .immediate) { database in
            try database.execute(sql: RetentionSchema.schema)
        }
        migrator.registerMigration("19 audit trail", foreignKeyChecks: .immediate) { database in
            try database.execute(sql: AuditSchema.schema)
        }
        return migrator
    }

    /// A table that is there as long as the ledger is a copy that is not finished.
    package static let unfinishedCopyTable = "ledger_copy"

    static func refuseUnfinishedCopy(_ reader: any DatabaseReader) throws {
        guard try reader.read({ try $0.tableExists(unfinishedCopyTable) }) else { return }
        throw StartupError(
            "ledger.path",
            "The ledger is a copy that is not finished: exports are missing in it. Run `export-gateway ledger copy` with the same "
                + "--from and --to again, which goes on where it ended, or remove the file with its -wal, -shm and .lock."
        )
    }

    /// Refuses a ledger whose schema is not that of this version. Throws `StartupError` for `ledger.path`.
    package static func refuseOtherSchema(_ database: Database) throws {
        guard try database.tableExists("grdb_migrations"), try database.tableExists("export") else {
            throw StartupError("ledger.path", "The file is no ledger.")
        }
        if try migrator.hasBeenSuperseded(database) {
            throw StartupError("ledger.path", "The ledger was written by a newer version of the gateway. Use that one.")
        }
        guard try migrator.hasCompletedMigrations(database) else {
            throw StartupError(
                "ledger.path",
                "The ledger was written by an older version of the gateway. Use that version, or start this one on it once."
            )
        }
    }

    package static func migrate(_ writer: any DatabaseWriter) throws {
        let migrator = migrator
        if try writer.read({ try migrator.hasBeenSuperseded($0) }) {
            throw StartupError(
                "ledger.path",
                "The ledger was written by a newer version of the gateway. Run that version, or choose another file."
            )
        }
        if try writer.read({ try !migrator.hasCompletedMigrations($0) }) { try writer.write(removeOrphans) }
        try migrator.migrate(writer)
    }

    /// Removes rows that belong to an export that somebody has deleted by hand, with foreign keys off, which is the default of the
    /// `sqlite3` command. The check of foreign keys after each migration would fail because of such rows.
    static func removeOrphans(_ database: Database) throws {
        guard try database.tableExists("export") else { return }
        for table in ["delivery", "refresh_token", "measurement"] where try database.tableExists(table) {
            try database.execute(sql: "DELETE FROM \(table) WHERE export_id NOT IN (SELECT id FROM export)")
        }
        // The claim on the key of a purged export stays.
        let purged =
            try database.tableExists("export_tombstone") ? "AND export_id NOT IN (SELECT id FROM export_tombstone)" : ""
        try database.execute(
            sql: "DELETE FROM idempotency WHERE export_id NOT IN (SELECT id FROM export) \(purged)"
        )
        if try database.tableExists("export_request") {
            try database.execute(sql: "DELETE FROM export_request WHERE key NOT IN (SELECT key FROM export)")
        }
    }

    // Times are milliseconds since 1970; source, plan and the other structured values are JSON.
    private static let firstSchema = """
        CREATE TABLE export (
            id TEXT NOT NULL PRIMARY KEY,
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
            source TEXT NOT NULL,
            files TEXT NOT NULL,
            destination TEXT,
            cancellation TEXT,
            error TEXT,
            notice TEXT,
            upstream TEXT,
            revision INTEGER NOT NULL,
            plan TEXT NOT NULL,
            phase TEXT NOT NULL,
            reference TEXT,
            next_action_at INTEGER,
            submitting_since INTEGER,
            cancel_wished INTEGER NOT NULL,
            fence INTEGER NOT NULL,
            submission_attempts INTEGER NOT NULL,
            resubmissions INTEGER NOT NULL,
            reconcile_misses INTEGER NOT NULL,
            polls INTEGER NOT NULL,
            failures INTEGER NOT NULL,
            missing INTEGER NOT NULL,
            file_lag_attempts INTEGER NOT NULL,
            cancel_attempts INTEGER NOT NULL,
            observe_before_cancel INTEGER NOT NULL,
            cancel_refusal TEXT,
            awaits_authorization INTEGER NOT NULL,
            accepted_since INTEGER NOT NULL,
            recovering_since INTEGER,
            tracking_since INTEGER,
            unknown_since INTEGER
        ) STRICT, WITHOUT ROWID;

        CREATE INDEX export_by_provider ON export (provider, id);
        CREATE INDEX export_by_connection ON export (connection, id);
        CREATE INDEX export_by_status ON export (status, id);
        CREATE INDEX export_unfinished ON export (id) WHERE phase <> 'settled';
        CREATE INDEX export_expiring ON export (expires_at)
            WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL;

        CREATE TABLE idempotency (
            caller TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            export_id TEXT NOT NULL REFERENCES export (id),
            created_at INTEGER NOT NULL,
            PRIMARY KEY (caller, key)
        ) STRICT, WITHOUT ROWID;

        CREATE INDEX idempotency_by_age ON idempotency (created_at);
        """

    // The sixth migration replaces this table.
    private static let deliverySchema = """
        CREATE TABLE delivery (
            export_id TEXT NOT NULL REFERENCES export (id),
            id TEXT NOT NULL,
            file_id TEXT,
            caller TEXT NOT NULL,
            request_id TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            ended_at INTEGER NOT NULL,
            coding TEXT NOT NULL,
            range_first INTEGER,
            range_last INTEGER,
            bytes_sent INTEGER NOT NULL,
            file_bytes INTEGER NOT NULL,
            sha256 TEXT,
            resumptions INTEGER NOT NULL,
            outcome TEXT NOT NULL,
            reason TEXT,
            PRIMARY KEY (export_id, id)
        ) STRICT, WITHOUT ROWID;
        """

    // A row is written when a delivery begins, and once more when it has ended.
    private static let begunDeliverySchema = """
        CREATE TABLE begun_delivery (
            export_id TEXT NOT NULL REFERENCES export (id),
            id TEXT NOT NULL,
            kind TEXT NOT NULL,
            file_id TEXT,
            caller TEXT NOT NULL,
            request_id TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            ended_at INTEGER,
            coding TEXT NOT NULL,
            range_first INTEGER,
            range_last INTEGER,
            bytes_sent INTEGER NOT NULL,
            file_bytes INTEGER NOT NULL,
            sha256 TEXT,
            resumptions INTEGER NOT NULL,
            outcome TEXT NOT NULL,
            reason TEXT,
            PRIMARY KEY (export_id, id)
        ) STRICT, WITHOUT ROWID;

        INSERT INTO begun_delivery
            SELECT export_id, id, 'delivery', file_id, caller, request_id, started_at, ended_at, coding, range_first,
                range_last, bytes_sent, file_bytes, sha256, resumptions, outcome, reason
            FROM delivery;

        DROP TABLE delivery;
        ALTER TABLE begun_delivery RENAME TO delivery;

        CREATE INDEX delivery_by_request ON delivery (export_id, request_id, id);
        CREATE INDEX delivery_under_way ON delivery (export_id, id) WHERE outcome = 'underWay';
        """

    // The last statement makes the gateway poll exports again that were given up without files.
    private static let readingSchema = """
        ALTER TABLE export ADD COLUMN readings TEXT;
        ALTER TABLE export ADD COLUMN files_pending_since INTEGER;
        ALTER TABLE export ADD COLUMN files_missing_since INTEGER;
        UPDATE export SET phase = 'tracking', next_action_at = updated_at, files_pending_since = updated_at
            WHERE phase = 'settled' AND status IN ('succeeded', 'partiallySucceeded') AND files = '[]'
                AND destination IS NULL AND reference IS NOT NULL AND notice LIKE '%"files-missing"%';
        """

    // Has a row for each success whose files have to be measured, for the first time or again.
    private static let measurementSchema = """
        CREATE TABLE measurement (
            export_id TEXT NOT NULL PRIMARY KEY REFERENCES export (id),
            due_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE INDEX measurement_by_time ON measurement (due_at, export_id);

        INSERT INTO measurement
            SELECT id, updated_at, 0 FROM export
            WHERE phase = 'settled' AND status IN ('succeeded', 'partiallySucceeded');
        """

    // Has rows only for exports that are not settled.
    private static let refreshTokenSchema = """
        CREATE TABLE refresh_token (
            export_id TEXT NOT NULL PRIMARY KEY REFERENCES export (id),
            sealed BLOB NOT NULL
        ) STRICT, WITHOUT ROWID;
        """

    private static let heldSchema = """
        ALTER TABLE export ADD COLUMN held_seconds INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE export ADD COLUMN held_seconds_since_answer INTEGER NOT NULL DEFAULT 0;
        """

    // Each use of a ticket has a number of its own.
    private static let ticketSchema = """
        ALTER TABLE delivery ADD COLUMN ticket TEXT;
        ALTER TABLE delivery ADD COLUMN ticket_use INTEGER;
        CREATE UNIQUE INDEX delivery_by_ticket ON delivery (export_id, ticket, ticket_use) WHERE ticket IS NOT NULL;
        """

    // For exports that ended under versions that stored no time for each end, and no error for each end without success.
    private static let endsOfOldRows = """
        UPDATE export SET completed_at = updated_at WHERE phase = 'settled' AND completed_at IS NULL;

        UPDATE export SET error = json_object(
            'code', 'canceled', 'detail', 'The export was canceled.', 'title', 'The export was canceled',
            'type', 'urn:export-gateway:problem:canceled'
        ) WHERE status = 'canceled' AND error IS NULL;

        UPDATE export SET error = json_object(
            'code', 'expired', 'detail', 'The upstream does not keep the files any more. Create the export again.',
            'title', 'The files of this export are no longer kept', 'type', 'urn:export-gateway:problem:expired'
        ) WHERE status = 'expired' AND error IS NULL;
        """

    // `missing` counted answers; `missing_since` says for how long. The index finds the export to which an upstream job
    // belongs. A row that cannot be read is not in it, and does not stop the migration.
    private static let unconfirmedStarts = """
        ALTER TABLE export ADD COLUMN scheduled_at INTEGER;
        ALTER TABLE export ADD COLUMN upstream_submitting_since INTEGER;
        ALTER TABLE export ADD COLUMN start_is_accepted INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE export ADD COLUMN decision TEXT;
        ALTER TABLE export ADD COLUMN missing_since INTEGER;
        ALTER TABLE export DROP COLUMN missing;

        CREATE INDEX export_by_job ON export (json_extract(reference, '$.id'))
            WHERE reference IS NOT NULL AND json_valid(reference);
        """
}
