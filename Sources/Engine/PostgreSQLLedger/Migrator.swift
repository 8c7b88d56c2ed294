import Exports
import PostgreSQL

/// Brings the tables to the version that this program knows.
enum Migrator {
    /// Held while tables are changed, so that of many replicas that start at once each change is made by one.
    private static let lock: Int64 = 0x6578_706F_7274_0001

    /// For how long another replica's migration is awaited.
    private static let patience = "10min"

    /// Throws `StartupError` for `ledger.url` where the tables belong to a version that this program must not work with.
    static func migrate(
        _ connection: PostgreSQLConnection,
        _ migrations: [Schema.Migration] = Schema.migrations
    ) throws {
        let known = migrations.last?.version ?? 0
        // Most starts find the tables as they are wanted, and wait for nobody.
        if try isCurrent(connection, known) { return }
        connection.answerTimeout = .seconds(660)
        try connection.execute("SET lock_timeout = '\(patience)'; SET statement_timeout = 0")
        _ = try connection.query(SQLQuery("SELECT pg_advisory_lock($1)", [.integer(lock)]))
        defer {
            _ = try? connection.query(SQLQuery("SELECT pg_advisory_unlock($1)", [.integer(lock)]))
            try? connection.execute("RESET lock_timeout; RESET statement_timeout")
        }
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS ledger_schema (
                version BIGINT NOT NULL PRIMARY KEY,
                name TEXT NOT NULL,
                needs BIGINT NOT NULL,
                made_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
            )
            """
        )
        let present = try connection.query("SELECT coalesce(max(version), 0) FROM ledger_schema")[0].integer(0) ?? 0
        for migration in migrations where migration.version > present {
            try connection.execute(
                """
                BEGIN;
                \(migration.script)
                INSERT INTO ledger_schema (version, name, needs)
                    VALUES (\(migration.version), '\(migration.name)', \(migration.needs));
                COMMIT
                """
            )
        }
        _ = try isCurrent(connection, known)
    }

    /// Whether the tables have this version or a later one that this program may work with.
    private static func isCurrent(_ connection: PostgreSQLConnection, _ known: Int64) throws -> Bool {
        let exists = try connection.query("SELECT to_regclass('ledger_schema') IS NOT NULL")[0].boolean(0)
        guard exists == true else { return false }
        let row = try connection.query("SELECT coalesce(max(version), 0), coalesce(max(needs), 0) FROM ledger_schema")
        if let needs = row[0].integer(1), needs > known {
            throw StartupError(
                "ledger.url",
                "The tables were changed by a newer version of the gateway. Run that version, or name another database."
            )
        }
        return row[0].integer(0).map { $0 >= known } ?? false
    }
}

extension SQLQuery: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(SQLStatement(text)) }
}
