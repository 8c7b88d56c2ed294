import PostgreSQL
import TestPostgreSQL
import TestSupport
import Testing

/// What is sent is what comes back.
struct ValueTests {
    @Test("Values of every kind come back as they were sent")
    func values() async throws {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        let statement: SQLStatement =
            "SELECT $1::bigint, $2::text, $3::bytea, $4::boolean, $5::text[], $6::bigint[], $7::text"
        let bytes = (0...255).map { UInt8($0) }
        let text = "naïve \\ \"quoted\", {braces} NULL 🐘\n"
        let array = ["", "NULL", "a,b", "\"", "\\", "{}", "🐘", " ", "'"]
        let row =
            try
            connection.query(
                statement(
                    .integer(.min),
                    .text(text),
                    .bytes(bytes),
                    true,
                    .textArray(array),
                    .integerArray([1, -2, .max]),
                    nil
                )
            )[0]
        #expect(row.integer(0) == .min)
        #expect(row.text(1) == text)
        #expect(row.bytes(2) == bytes)
        #expect(row.boolean(3) == true)
        #expect(row.textArray(4) == array)
        #expect(row.text(5) == "{1,-2,\(Int64.max)}")
        #expect(row.isNull(6) && row.text(6) == nil && row.integer(6) == nil && row.bytes(6) == nil)
    }

    @Test("Empty values are not null")
    func emptyValues() async throws {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        let statement: SQLStatement = "SELECT $1::text, $2::bytea, $3::text[], $4::bigint[]"
        let row = try connection.query(statement("", .bytes([]), .textArray([]), .integerArray([])))[0]
        #expect(row.text(0) == "")
        #expect(row.bytes(1) == [])
        #expect(row.textArray(2) == [])
        #expect(row.text(3) == "{}")
    }

    @Test("A value is read as what it is not: nil, never another value")
    func wrongKinds() async throws {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        let row =
            try
            connection.query(
                SQLQuery(
                    "SELECT '12a', '9223372036854775808', '', '-', 'true', '\\x1', '{{a},{b}}'::text[], '{a,NULL}'::text[], 'xyz'"
                )
            )[0]
        #expect((0...3).allSatisfy { row.integer($0) == nil })
        #expect(row.boolean(4) == nil)
        #expect(row.bytes(5) == nil && row.bytes(8) == nil)
        #expect(row.textArray(6) == nil && row.textArray(7) == nil && row.textArray(8) == nil)
    }

    @Test("Texts and arrays of random characters come back as they were sent")
    func randomTexts() async throws {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        let seed = SeededRandom.anySeed
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        let characters: [Character] = [
            "a", "\"", "\\", ",", "{", "}", " ", "\n", "\t", "é", "🐘", "'", "$", "\u{1}", "N",
        ]
        for _ in 0..<200 {
            let texts = (0..<random.below(6))
                .map { _ in String((0..<random.below(8)).map { _ in random.of(characters) }) }
            let joined = texts.joined()
            let row =
                try connection.query(SQLQuery("SELECT $1::text[], $2::text", [.textArray(texts), .text(joined)]))[0]
            #expect(row.textArray(0) == texts)
            #expect(row.text(1) == joined)
        }
    }

    @Test("A text with U+0000 is refused before anything is sent")
    func zeroCharacter() async throws {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        for value: SQLValue in [.text("a\0b"), .textArray(["a", "\0"])] {
            let error = #expect(throws: PostgreSQLError.self) {
                try connection.query(SQLQuery("SELECT $1::text", [value]))
            }
            #expect(error?.sqlState == "22021")
            #expect(error?.mayHaveTakenEffect == false)
        }
        #expect(try connection.query(SQLQuery("SELECT 1"))[0].integer(0) == 1)
    }

    @Test("Times are in UTC, whatever the server's time zone")
    func times() async throws {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        let row = try connection.query(SQLQuery("SELECT '2026-02-03T04:05:06.789+02'::timestamptz"))[0]
        #expect(row.text(0) == "2026-02-03 02:05:06.789+00")
    }

    @Test("Rows are counted, and so are the rows that a statement changed")
    func counts() async throws {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        try connection.execute("CREATE TEMPORARY TABLE number (value bigint)")
        #expect(try connection.query(SQLQuery("INSERT INTO number SELECT generate_series(1, $1)", [7])).affected == 7)
        #expect(try connection.query(SQLQuery("UPDATE number SET value = 0 WHERE value > $1", [4])).affected == 3)
        let rows = try connection.query(SQLQuery("SELECT value FROM number ORDER BY value"))
        #expect(rows.count == 7)
        #expect(rows.map { $0.integer(0) } == [0, 0, 0, 1, 2, 3, 4])
    }

    @Test("A value of 20 MB is sent and received")
    func largeValue() async throws {
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings())
        let bytes = [UInt8](repeating: 0xAB, count: 20_000_000)
        #expect(try connection.query(SQLQuery("SELECT $1::bytea", [.bytes(bytes)]))[0].bytes(0) == bytes)
    }
}
