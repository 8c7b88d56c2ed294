import PostgreSQL
import TestPostgreSQL
import Testing

/// Queries that are sent together, and transactions.
struct PipelineTests {
    private struct Refusal: Error {}

    private func connection() async throws -> PostgreSQLConnection {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        try connection.execute(
            "CREATE TEMPORARY TABLE item (id bigint PRIMARY KEY, name text NOT NULL CONSTRAINT short CHECK (length(name) < 9))"
        )
        return connection
    }

    private let insert: SQLStatement = "INSERT INTO item VALUES ($1, $2)"
    private let count: SQLStatement = "SELECT count(*) FROM item"

    private func number(_ connection: PostgreSQLConnection) throws -> Int64? {
        try connection.query(count())[0].integer(0)
    }

    @Test("Results come in the order of the queries")
    func order() async throws {
        let connection = try await connection()
        let numbers: [Int64] = Array(0..<500)
        let queries = numbers.map { SQLQuery(SQLStatement("SELECT $1::bigint + \($0 % 3)"), [.integer($0)]) }
        let results = try connection.pipeline(queries).map { $0[0].integer(0) }
        #expect(results == numbers.map { $0 + $0 % 3 })
        #expect(try connection.pipeline([]).isEmpty)
    }

    @Test("The first error ends a pipeline, names its query, and undoes what was before it")
    func error() async throws {
        let connection = try await connection()
        let error = #expect(throws: PostgreSQLError.self) {
            try connection.pipeline([insert(1, "a"), insert(2, "b"), insert(1, "again"), insert(3, "c")])
        }
        #expect(error?.kind == .uniqueViolation)
        #expect(error?.failedQuery == 2)
        #expect(error?.constraint == "item_pkey")
        #expect(error?.mayHaveTakenEffect == false)
        #expect(try number(connection) == 0)
        #expect(!connection.isInTransaction)
    }

    @Test("A transaction takes one round trip, and an error in it leaves it open until it is rolled back")
    func transactionInPipeline() async throws {
        let connection = try await connection()
        _ = try connection.pipeline([.begin, insert(1, "a"), .commit])
        #expect(!connection.isInTransaction)
        #expect(throws: PostgreSQLError.self) {
            try connection.pipeline([.begin, insert(2, "b"), insert(1, "a"), .commit])
        }
        #expect(connection.isInTransaction)
        // The commit of a failed transaction says ROLLBACK, and is no error for the server.
        let error = #expect(throws: PostgreSQLError.self) { try connection.query(.commit) }
        #expect(error?.sqlState == "25P02")
        #expect(!connection.isInTransaction)
        #expect(try number(connection) == 1)
    }

    @Test("A transaction commits what its body did, and nothing when the body throws")
    func transaction() async throws {
        let connection = try await connection()
        let inside = try connection.transaction { connection in
            _ = try connection.query(insert(1, "a"))
            return connection.isInTransaction
        }
        #expect(inside)
        #expect(throws: Refusal.self) {
            try connection.transaction { connection in
                _ = try connection.query(insert(2, "b"))
                throw Refusal()
            }
        }
        let error = #expect(throws: PostgreSQLError.self) {
            try connection.transaction { connection in
                _ = try connection.pipeline([insert(3, "c"), insert(1, "again")])
            }
        }
        #expect(error?.failedQuery == 1)
        // An error that the body hides is found at the commit.
        #expect(throws: PostgreSQLError.self) {
            try connection.transaction { connection in
                _ = try? connection.pipeline([insert(4, "d"), insert(1, "again")])
            }
        }
        try connection.transaction { _ in }
        #expect(try number(connection) == 1)
        #expect(!connection.isInTransaction)
    }

    @Test("A deferred constraint that fails at the commit is the error of the transaction")
    func failedCommit() async throws {
        let connection = try await connection()
        try connection.execute("CREATE TEMPORARY TABLE child (id bigint REFERENCES item DEFERRABLE INITIALLY DEFERRED)")
        let error = #expect(throws: PostgreSQLError.self) {
            try connection.transaction { _ = try $0.query(SQLQuery("INSERT INTO child VALUES ($1)", [5])) }
        }
        #expect(error?.kind == .constraintViolation)
        #expect(try number(connection) == 0)
    }

    @Test("Neither side waits for the other when much is sent and much comes back")
    func largePipeline() async throws {
        let connection = try await connection()
        let text = String(repeating: "x", count: 50_000)
        let results = try connection.pipeline((0..<400).map { _ in SQLQuery("SELECT $1::text", [.text(text)]) })
        #expect(results.allSatisfy { $0[0].text(0)?.utf8.count == 50_000 })
    }

    @Test(
        "No value is in an error",
        arguments: [
            SQLQuery("SELECT $1::text::bigint", ["hidden"]),
            SQLQuery("INSERT INTO item VALUES (1, $1)", ["hidden value"]),
            SQLQuery("SELECT ($1::text)::jsonb", ["{hidden"]),
            SQLQuery("SELECT substring('a' from $1)SQLQuery(", [", [hidden"]),
            SQLQuery("SELECT $1::timestamptz", ["hidden"]),
            SQLQuery("SELECT set_config('TimeZone', $1, true)", ["hidden"]),
            SQLQuery("INSERT INTO item VALUES (1, 'a'), (1, $1)", ["hidden"]),
        ]
    )
    func noValues(query: SQLQuery) async throws {
        let connection = try await connection()
        let error = #expect(throws: PostgreSQLError.self) { try connection.query(query) }
        #expect(error.map { !"\($0) \(String(reflecting: $0))".contains("hidden") } == true)
    }

    @Test("A mistake in a statement is told, and the connection works afterwards")
    func mistakes() async throws {
        let connection = try await connection()
        let error = #expect(throws: PostgreSQLError.self) {
            try connection.pipeline([insert(1, "a"), SQLQuery("SELEC 1"), count()])
        }
        #expect(error?.sqlState == "42601")
        #expect(error?.failedQuery == 1)
        #expect(error?.message == "syntax error at or near \"SELEC\"")
        #expect(throws: PostgreSQLError.self) { try connection.query(SQLQuery("")) }
        #expect(throws: PostgreSQLError.self) { try connection.query(SQLQuery("SELECT $1::text")) }
        #expect(try number(connection) == 0)
    }

    @Test("COPY closes the connection, and does not hang")
    func copy() async throws {
        let connection = try await connection()
        #expect(throws: PostgreSQLError.self) { try connection.query(SQLQuery("COPY item FROM STDIN")) }
        #expect(!connection.isOpen)
        let other = try await self.connection()
        #expect(throws: PostgreSQLError.self) { try other.execute("COPY item TO STDOUT") }
        #expect(!other.isOpen)
        let error = #expect(throws: PostgreSQLError.self) { try other.query(count()) }
        #expect(error?.kind == .connectionLost)
    }

    @Test("A script is one transaction, and its error is thrown")
    func script() async throws {
        let connection = try await connection()
        try connection.execute("INSERT INTO item VALUES (1, 'a'); SELECT * FROM item; INSERT INTO item VALUES (2, 'b')")
        #expect(throws: PostgreSQLError.self) {
            try connection.execute("INSERT INTO item VALUES (3, 'c'); INSERT INTO item VALUES (1, 'again')")
        }
        #expect(try number(connection) == 2)
        try connection.transaction { try $0.execute("INSERT INTO item VALUES (4, 'd')") }
        #expect(try number(connection) == 3)
    }
}
