import Exports
import PostgreSQL
import TestPostgreSQL
import Testing

@testable import PostgreSQLLedger

@Suite struct MigrationTests {
    @Test func ofManyThatStartAtOnceEachMigrationIsMadeByOne() async throws {
        let database = try await TestPostgreSQL.shared().makeDatabase()
        let ledgers = try await withThrowingTaskGroup(of: PostgreSQLLedger.self) { group in
            for _ in 0..<5 {
                group.addTask { try await PostgreSQLLedger(database.settings, randomness: .forTests) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let rows = try await ledgers[0].run("SELECT version, needs FROM ledger_schema ORDER BY version")
        #expect(rows.map { $0.integer(0) } == Schema.migrations.map(\.version))
        for ledger in ledgers { await ledger.close() }
    }

    @Test func theTablesOfANewerVersionAreUsedWhereTheyWereOnlyExpanded() async throws {
        let ledgers = try await TestLedgers.shared()
        let first = try await ledgers.make()
        let known = try #require(Schema.migrations.last?.version)
        let insert = "INSERT INTO ledger_schema (version, name, needs) VALUES ($1, 'later', $2)"
        try await first.run(insert, .integer(known + 1), .integer(known))
        try await ledgers.reopened(first).check()
        try await first.run(insert, .integer(known + 2), .integer(known + 1))
        let error = await #expect(throws: StartupError.self) { _ = try await ledgers.reopened(first) }
        #expect(error?.key == "ledger.url")
        await ledgers.close()
    }

    @Test func everyMigrationLeavesTheVersionBeforeAtWork() {
        for migration in Schema.migrations where migration.version > 1 {
            #expect(migration.needs < migration.version, "\(migration.name)")
        }
        #expect(Schema.migrations.map(\.version) == (1...Int64(Schema.migrations.count)).map(\.self))
    }

    @Test func aDatabaseThatCannotBeUsedIsNamed() async throws {
        let server = try await TestPostgreSQL.shared()
        for uri in [server.uri(database: "nothing"), "postgresql://127.0.0.1:1/x"] {
            let error = await #expect(throws: StartupError.self) {
                _ = try await PostgreSQLLedger(PostgreSQLSettings(uri: uri, password: nil), randomness: .forTests)
            }
            #expect(error?.key == "ledger.url")
        }
    }
}
