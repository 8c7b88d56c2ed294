import ExportLedger
import Exports
import Logging
import Metrics
import PostgreSQL
import Synchronization
import TestPostgreSQL
import Testing

@testable import PostgreSQLLedger

/// Ledgers on databases of one server.
final class TestLedgers: Sendable {
    let server: TestPostgreSQL
    private let made = Mutex<[(ledger: PostgreSQLLedger, database: TestDatabase)]>([])

    private let writing: GroupWriter.Limits

    init(_ server: TestPostgreSQL, writing: GroupWriter.Limits = GroupWriter.Limits()) {
        (self.server, self.writing) = (server, writing)
    }

    /// Ledgers on the server that the tests of this process share.
    static func shared() async throws -> TestLedgers { TestLedgers(try await .shared()) }

    /// A ledger in an empty database of its own, whose tables were made before.
    func make() async throws -> PostgreSQLLedger { try await open(database()) }

    func make(_ count: Int) async throws -> [PostgreSQLLedger] {
        let database = try await database()
        var ledgers: [PostgreSQLLedger] = []
        for number in 0..<count { ledgers.append(try await open(database, name: "ledger-\(number)")) }
        return ledgers
    }

    func database() async throws -> TestDatabase {
        try await server.makeDatabase(template: "ledger") { try Migrator.migrate($0) }
    }

    /// - Parameter port: Where the server is reached; nil for its own port.
    func open(
        _ database: TestDatabase,
        name: String = "ledger",
        port: Int? = nil,
        lockTimeout: Duration = .seconds(10),
        writing: GroupWriter.Limits? = nil
    ) async throws -> PostgreSQLLedger {
        let uri = database.uri.replacing(":\(server.port)/", with: ":\(port ?? server.port)/")
        var settings = try PostgreSQLSettings(uri: uri, password: nil)
        (settings.applicationName, settings.lockTimeout) = (name, lockTimeout)
        let ledger = try await PostgreSQLLedger(
            settings,
            writing: writing ?? self.writing,
            randomness: .forTests,
            time: SystemTime(),
            logger: Logger(label: "ledger") { _ in SwiftLogNoOpLogHandler() },
            metrics: NOOPMetricsHandler.instance
        )
        made.withLock { $0.append((ledger, database)) }
        return ledger
    }

    /// The same database, as another process opens it.
    func reopened(_ ledger: PostgreSQLLedger) async throws -> PostgreSQLLedger { try await open(database(of: ledger)) }

    func database(of ledger: PostgreSQLLedger) throws -> TestDatabase {
        try #require(made.withLock { $0.first { $0.ledger === ledger }?.database })
    }

    func close() async {
        let ledgers = made.withLock { made in
            defer { made = [] }
            return made
        }
        await withTaskGroup(of: Void.self) { group in
            for (ledger, _) in ledgers { group.addTask { await ledger.close() } }
        }
        withExtendedLifetime(ledgers) {}
    }
}

extension PostgreSQLLedger {
    /// Runs a statement of a test.
    @discardableResult
    func run(_ text: String, _ values: SQLValue...) async throws -> SQLRows {
        let query = SQLQuery(SQLStatement(text), values)
        return try await reads.run { try $0.query(query) }
    }

    /// Runs statements of a test that may take long, such as those that store many rows: reads have 4 s, and writes 30 s.
    func script(_ text: String) async throws { try await writer.pool.run { try $0.execute(text) } }

    /// Lets the registration expire.
    func expire() async throws {
        try await run(
            "UPDATE replica SET expires_at = clock_timestamp() - interval '1 second' WHERE id = $1",
            .text(registration.id)
        )
    }

    /// Lets the server refuse writes of exports as on a full disk.
    func setFull(_ isFull: Bool) async throws {
        let text =
            isFull
            ? """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON export EXECUTE FUNCTION refuse();
            """ : "DROP FUNCTION refuse CASCADE"
        try await reads.run { try $0.execute(text) }
    }
}
