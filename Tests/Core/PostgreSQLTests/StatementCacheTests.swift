import TestPostgreSQL
import Testing

@testable import PostgreSQL

/// Statements are prepared once, and not too many of them.
struct StatementCacheTests {
    @Test("The statement that was not used for longest is evicted")
    func eviction() {
        var cache = StatementCache(limit: 2)
        #expect(cache.use("a") == .new(name: "s1"))
        #expect(cache.use("b") == .new(name: "s2"))
        for text in ["a", "b"] { cache.isPrepared(text) }
        #expect(cache.use("a") == .prepared(name: "s1"))
        #expect(cache.use("c") == .new(name: "s3"))
        #expect(cache.evicted == ["s2"])
        cache.isDeallocated("s2")
        #expect(cache.evicted.isEmpty)
        // Nobody knows whether the server has it.
        cache.dropUnconfirmed()
        #expect(cache.use("c") == .new(name: "s4"))
        #expect(cache.count == 2)
    }

    private func prepared(_ connection: PostgreSQLConnection) throws -> Int64? {
        try connection.query(SQLQuery("SELECT count(*) FROM pg_prepared_statements"))[0].integer(0)
    }

    @Test("A connection prepares a statement once, and keeps a limited number of them")
    func limit() async throws {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        for number in 0..<10 {
            _ = try connection.pipeline(
                (0..<3).map { SQLQuery(SQLStatement("SELECT $1::bigint + \($0)"), [.integer(Int64(number))]) }
            )
        }
        #expect(try prepared(connection) == 4)
        for number in 0..<400 { _ = try connection.query(SQLQuery(SQLStatement("SELECT \(number)"))) }
        // What was evicted is deallocated with the next query.
        #expect(try prepared(connection).map { $0 <= Int64(SQLStatement.limit) + 1 } == true)
        let queries = (0..<600).map { SQLQuery(SQLStatement("SELECT \($0) + 1")) }
        let numbers = try connection.pipeline(queries).map { $0[0].integer(0) }
        #expect(numbers == Array(1...600))
        _ = try connection.query(SQLQuery("SELECT 'next'"))
        _ = try connection.query(SQLQuery("SELECT 'another'"))
        #expect(connection.statements.count <= 600)
    }

    @Test("A statement that a failed pipeline did not reach is prepared by the next one")
    func afterAnError() async throws {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        #expect(throws: PostgreSQLError.self) {
            try connection.pipeline([
                SQLQuery("SELECT 1"), SQLQuery("SELECT 1 / $1::bigint", [0]), SQLQuery("SELECT 2"),
            ])
        }
        #expect(
            try connection
                .pipeline([SQLQuery("SELECT 1"), SQLQuery("SELECT 1 / $1::bigint", [1]), SQLQuery("SELECT 2")]).count
                == 3
        )
        #expect(try prepared(connection) == 4)
    }

    @Test("A statement whose table was altered fails once, to be repeated, and works then")
    func alteredTable() async throws {
        let database = try await TestPostgreSQL.shared().makeDatabase()
        let connection = try PostgreSQLConnection(database.settings)
        try connection.execute("CREATE TABLE item (id bigint)")
        let statement: SQLStatement = "SELECT * FROM item"
        _ = try connection.query(statement())
        try PostgreSQLConnection(database.settings).execute("ALTER TABLE item ADD name text")
        let error = #expect(throws: PostgreSQLError.self) { try connection.query(statement()) }
        #expect(error?.kind == .statementChanged)
        #expect(error?.isRetryable == true)
        _ = try connection.query(statement())
        try connection.execute("DISCARD ALL")
        #expect(throws: PostgreSQLError.self) { try connection.query(statement()) }
        _ = try connection.query(statement())
    }
}
