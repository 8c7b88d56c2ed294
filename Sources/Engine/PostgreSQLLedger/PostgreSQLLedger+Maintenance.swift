import Exports
import PostgreSQL

/// What copies and checks of the tables need.
extension PostgreSQLLedger {
    /// A table that is there as long as the tables are a copy that is not finished.
    package static let unfinishedCopyTable = "ledger_copy"

    /// Keeps replicas from joining as long as the connection is open. Throws `StartupError` for `ledger.url` where there is a live one, or
    /// another connection does the same for longer than the lock timeout of the settings.
    ///
    /// The server ends what the connection has asked for within a second of its end, so that a copy that was killed while indexes
    /// are made keeps nobody out: https://www.postgresql.org/docs/15/runtime-config-connection.html
    package static func excludeReplicas(_ connection: PostgreSQLConnection) throws {
        try connection.execute("SET client_connection_check_interval = '1s'")
        do throws(PostgreSQLError) {
            try connection.query(SQLQuery("SELECT pg_advisory_lock($1)", [.integer(joining)]))
        } catch {
            guard error.kind == .lockTimeout else { throw error }
            throw StartupError(
                "ledger.url",
                "A gateway is just joining, or another copy is under way. Stop all gateways on this database."
            )
        }
        guard try exists("replica", connection) else { return }
        let live = try connection.query("SELECT count(*) FROM replica WHERE expires_at > clock_timestamp()")
        guard let count = live[0].integer(0), count == 0 else {
            throw StartupError("ledger.url", "Gateways work on this database. Stop all of them first.")
        }
    }

    /// Waits for the lock that one replica after the other holds while it joins, and a copy for its whole time. Throws `StartupError` for
    /// `ledger.url` where a process cannot get it at its start.
    static func waitToJoin(_ connection: PostgreSQLConnection, isFirst: Bool) throws {
        do throws(PostgreSQLError) {
            try connection.query(SQLQuery("SELECT pg_advisory_xact_lock($1)", [.integer(joining)]))
        } catch {
            guard isFirst, error.kind == .lockTimeout else { throw error }
            throw StartupError(
                "ledger.url",
                "`export-gateway ledger copy` works on this database. Start the gateway when that has ended."
            )
        }
    }

    /// Throws `StartupError` for `ledger.url` where the tables are a copy that is not finished.
    package static func refuseUnfinishedCopy(_ connection: PostgreSQLConnection) throws {
        guard try exists(unfinishedCopyTable, connection) else { return }
        throw StartupError(
            "ledger.url",
            "The tables are a copy that is not finished: exports are missing in them. Run `export-gateway ledger copy` with the same "
                + "--from and --to again, which goes on where it ended, or make the database again."
        )
    }

    /// Throws `StartupError` for `ledger.url` where there are no tables, or not those of this version.
    package static func refuseOtherSchema(_ connection: PostgreSQLConnection) throws {
        let known = Schema.migrations.last?.version ?? 0
        try refuseEmpty(connection)
        let present = try connection.query("SELECT coalesce(max(version), 0) FROM ledger_schema")[0].integer(0) ?? 0
        guard present == known else {
            throw StartupError(
                "ledger.url",
                "The tables have the version \(present), and this program knows the version \(known). Use the version of the "
                    + "gateway that works on them."
            )
        }
    }

    /// Throws `StartupError` for `ledger.url` where there are no tables of a ledger.
    package static func refuseEmpty(_ connection: PostgreSQLConnection) throws {
        guard try !exists("ledger_schema", connection) else { return }
        throw StartupError("ledger.url", "There is no ledger in this database.")
    }

    /// Whether there is a table of this name.
    package static func exists(_ table: String, _ connection: PostgreSQLConnection) throws -> Bool {
        try connection.query(SQLQuery("SELECT to_regclass($1) IS NOT NULL", [.text(table)]))[0].boolean(0) == true
    }
}
