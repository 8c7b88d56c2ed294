import Exports
import TestPostgreSQL
import TestSupport
import Testing

@testable import PostgreSQL

/// A server that is killed, restarted and away.
struct OutageTests {
    @Test("The delay before an attempt is doubled up to five seconds, and up to half of it is left out at random")
    func backOff() {
        let longest = BackOff(randomness: Randomness { 0 })
        let waits = (1...8).map { longest.delay(after: $0) }
        #expect(waits == [100, 200, 400, 800, 1600, 3200, 5000, 5000].map { .milliseconds($0) })
        let shortest = BackOff(randomness: Randomness { .max })
        #expect(shortest.delay(after: 1) > .milliseconds(49) && shortest.delay(after: 1) < .milliseconds(51))
        #expect(shortest.delay(after: 1_000_000) < .milliseconds(2501))
    }

    @Test("Calls wait while the server is away, and go on when it is back; those that wait too long get the reason")
    func poolAfterAnOutage() async throws {
        let server = try await TestPostgreSQL()
        var limits = PostgreSQLPool.Limits()
        (limits.connections, limits.patience) = (2, .seconds(60))
        let patient = PostgreSQLPool(try server.settings(), limits: limits, randomness: .forTests)
        limits.patience = .milliseconds(50)
        let impatient = PostgreSQLPool(try server.settings(), limits: limits, randomness: .forTests)
        for pool in [patient, impatient] { try await pool.run { _ in } }

        try await server.kill()
        let error = await #expect(throws: PostgreSQLError.self) { try await impatient.run { _ in } }
        #expect(error?.kind == .connectionLost)
        #expect(error?.mayHaveTakenEffect == false)
        let counts = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<10 { group.addTask { try await patient.run { try $0.query(SQLQuery("SELECT 1")).count } } }
            try await eventually { patient.load.waiting == 10 }
            try await server.start()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(counts == Array(repeating: 1, count: 10))

        // A connection that was idle during the restart is replaced before its next use.
        try await server.restart()
        #expect(try await patient.run { try $0.query(SQLQuery("SELECT 1")).count } == 1)
        await patient.close()
        await impatient.close()
        await server.stop()
    }

    @Test(
        "A query whose server is killed fails, and says that it can have taken effect unless its transaction was not committed"
    )
    func killedUnderQuery() async throws {
        let server = try await TestPostgreSQL()
        var settings = try server.settings()
        (settings.statementTimeout, settings.answerTimeout) = (.seconds(600), .seconds(600))
        let pool = PostgreSQLPool(settings, randomness: .forTests)
        let began = Events<Bool>()
        async let alone = Self.error(pool) { connection in
            began.add(true)
            _ = try connection.query(SQLQuery("SELECT pg_sleep(600)"))
        }
        async let inTransaction = Self.error(pool) { connection in
            try connection.transaction { connection in
                began.add(true)
                _ = try connection.query(SQLQuery("SELECT pg_sleep(600)"))
            }
        }
        await began.reach(2)
        let observer = try PostgreSQLConnection(server.settings())
        try await eventually {
            try observer.query(SQLQuery("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")).count == 2
        }
        await server.stop()
        let errors = await (alone, inTransaction)
        #expect(errors.0?.kind == .connectionLost && errors.1?.kind == .connectionLost)
        #expect(errors.0?.mayHaveTakenEffect == true && errors.1?.mayHaveTakenEffect == false)
        #expect(errors.0?.sqlState == "57P01")
        let error = #expect(throws: PostgreSQLError.self) { try observer.query(SQLQuery("SELECT 1")) }
        #expect(error?.kind == .connectionLost)
        await pool.close()
    }

    private static func error(
        _ pool: PostgreSQLPool,
        _ body: @escaping @Sendable (PostgreSQLConnection) throws -> Void
    ) async -> PostgreSQLError? {
        do {
            try await pool.run(body)
            return nil
        } catch {
            return error as? PostgreSQLError
        }
    }

    @Test("A server that is starting or full is not taken for one that refuses the role")
    func fullServer() async throws {
        var options = TestPostgreSQL.Options()
        options.settings = ["max_connections": "5", "superuser_reserved_connections": "0"]
        let server = try await TestPostgreSQL(options)
        let connections = try (0..<5).map { _ in try PostgreSQLConnection(server.settings()) }
        let error = #expect(throws: PostgreSQLError.self) { try PostgreSQLConnection(server.settings()) }
        #expect(error?.kind == .tooManyConnections)
        #expect(error?.isPermanent == false)
        for connection in connections { connection.close() }
        await server.stop()
    }
}
