import Dispatch
import PostgreSQL
import TestPostgreSQL
import Testing

/// Nothing waits for ever.
struct TimeLimitTests {
    @Test("A statement that takes too long is stopped by the server, and the connection works afterwards")
    func statementTimeout() async throws {
        var settings = try await TestPostgreSQL.shared().settings()
        settings.statementTimeout = .milliseconds(50)
        let connection = try PostgreSQLConnection(settings)
        let error = #expect(throws: PostgreSQLError.self) { try connection.query(SQLQuery("SELECT pg_sleep(60)")) }
        #expect(error?.kind == .cancelledByServer)
        #expect(try connection.query(SQLQuery("SELECT 1")).count == 1)
    }

    @Test("A lock that is not free in time is an error of its own")
    func lockTimeout() async throws {
        let database = try await TestPostgreSQL.shared().makeDatabase()
        var settings = try database.settings
        settings.lockTimeout = .milliseconds(50)
        let (one, other) = (try PostgreSQLConnection(settings), try PostgreSQLConnection(settings))
        try one.execute("CREATE TABLE item (id bigint)")
        let error = #expect(throws: PostgreSQLError.self) {
            try one.transaction { one in
                _ = try one.query(SQLQuery("LOCK TABLE item"))
                _ = try other.query(SQLQuery("SELECT * FROM item"))
            }
        }
        #expect(error?.kind == .lockTimeout)
    }

    @Test("The server ends a transaction whose client does nothing, and nothing of it took effect")
    func idleInTransaction() async throws {
        let database = try await TestPostgreSQL.shared().makeDatabase()
        var settings = try database.settings
        settings.idleInTransactionTimeout = .milliseconds(50)
        let (connection, other) = (try PostgreSQLConnection(settings), try PostgreSQLConnection(database.settings))
        try other.execute("CREATE TABLE item (id bigint)")
        let error = #expect(throws: PostgreSQLError.self) {
            try connection.transaction { connection in
                _ = try connection.query(SQLQuery("INSERT INTO item VALUES (1)"))
                // Waits until the server has rolled the transaction back.
                try other.execute("ALTER TABLE item ADD name text")
                _ = try connection.query(SQLQuery("SELECT 1"))
            }
        }
        #expect(error?.kind == .connectionLost)
        #expect(error?.sqlState == "25P03")
        #expect(error?.mayHaveTakenEffect == false)
        #expect(!connection.isOpen)
        #expect(try other.query(SQLQuery("SELECT * FROM item")).isEmpty)
    }

    @Test("Of two transactions that wait for each other, one fails, and is to be repeated")
    func deadlock() async throws {
        let database = try await TestPostgreSQL.shared().makeDatabase()
        try PostgreSQLConnection(database.settings)
            .execute("CREATE TABLE item (id bigint); INSERT INTO item VALUES (1), (2)")
        let pool = PostgreSQLPool(try database.settings, randomness: .forTests)
        let locked = [DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)]
        let update: SQLStatement = "UPDATE item SET id = id WHERE id = $1"
        let errors = try await withThrowingTaskGroup(of: PostgreSQLError?.self) { group in
            for mine in 0...1 {
                group.addTask {
                    try await pool.run { connection in
                        do {
                            try connection.transaction { connection in
                                _ = try connection.query(update(.integer(Int64(1 + mine))))
                                locked[mine].signal()
                                locked[1 - mine].wait()
                                _ = try connection.query(update(.integer(Int64(2 - mine))))
                            }
                            return nil
                        } catch let error as PostgreSQLError {
                            return error
                        }
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        await pool.close()
        let failures = errors.compactMap { $0 }
        #expect(failures.map(\.kind) == [.deadlock])
        #expect(failures.allSatisfy { $0.isRetryable })
    }

    @Test("A server that does not answer any more is given up in time, and a new connection to it is, too")
    func silentServer() async throws {
        let server = try await TestPostgreSQL()
        var settings = try server.settings()
        (settings.answerTimeout, settings.connectTimeout) = (.milliseconds(200), .milliseconds(200))
        let connection = try PostgreSQLConnection(settings)
        let inTransaction = try PostgreSQLConnection(settings)
        _ = try inTransaction.pipeline([.begin, SQLQuery("SELECT 1")])
        server.suspend()
        let error = #expect(throws: PostgreSQLError.self) { try connection.query(SQLQuery("SELECT 1")) }
        #expect(error?.kind == .timeout)
        #expect(error?.mayHaveTakenEffect == true)
        #expect(!connection.isOpen)
        let opening = #expect(throws: PostgreSQLError.self) { try PostgreSQLConnection(settings) }
        #expect(opening?.kind == .timeout)
        #expect(opening?.mayHaveTakenEffect == false)
        // In a transaction that is not committed, nothing can have taken effect.
        let undone = #expect(throws: PostgreSQLError.self) { try inTransaction.query(SQLQuery("SELECT 1")) }
        #expect(undone?.mayHaveTakenEffect == false)
        server.resume()
        await server.stop()
    }
}
