import ExportLedger
import Foundation
import LedgerConformance
import PostgreSQL
import TestLedger
import TestPostgreSQL
import Testing

@testable import PostgreSQLLedger

@Suite(.serialized) struct ConformanceTests {
    private func harness(
        _ ledgers: TestLedgers,
        afterKill: @escaping @Sendable (PostgreSQLLedger) async throws -> any ExaminedLedger
    ) -> LedgerHarness {
        @Sendable func real(_ ledger: any ExaminedLedger) throws -> PostgreSQLLedger {
            try #require(ledger as? PostgreSQLLedger)
        }
        return LedgerHarness(
            makeLedger: {
                // A server has a limited number of connections.
                await ledgers.close()
                return try await ledgers.make()
            },
            afterKill: { try await afterKill(real($0)) },
            setFull: { try await real($0).setFull($1) },
            damage: { ledger, statement in try await real(ledger).run(statement) }
        )
    }

    /// The gateway is killed: its connections end, and another opens the database. EXPORT_GATEWAY_LEDGER_CASE names one case to run.
    @Test func theLedgerKeepsItsContract() async throws {
        let ledgers = try await TestLedgers.shared()
        let suite = LedgerConformance(harness(ledgers) { try await ledgers.reopened($0) })
        let start = ContinuousClock.now
        let findings = await suite.run(only: ProcessInfo.processInfo.environment["EXPORT_GATEWAY_LEDGER_CASE"])
        #expect(findings == [])
        print("LedgerConformance: \(suite.names.count) cases on PostgreSQL in \(ContinuousClock.now - start)")
        await ledgers.close()
    }

    /// For comparison. What a kill of the process leaves is examined by the tests of that ledger.
    @Test func theOtherLedgerTakesSoLong() async {
        let suite = LedgerConformance(LedgerHarness(makeLedger: { try SQLiteLedger.temporary() }))
        let start = ContinuousClock.now
        let findings = await suite.run()
        #expect(findings == [])
        print("LedgerConformance: \(suite.names.count) cases on SQLite in \(ContinuousClock.now - start)")
    }

    /// The server itself is killed, in the middle of what is written, and started again. It has waited for the disk.
    @Test func theLedgerKeepsItsContractWhenTheServerIsKilled() async throws {
        var options = TestPostgreSQL.Options()
        options.fsync = true
        let server = try await TestPostgreSQL(options)
        var limits = GroupWriter.Limits()
        // A start after a kill takes long on a busy machine.
        (limits.patience, limits.determination) = (.seconds(60), .seconds(120))
        let ledgers = TestLedgers(server, writing: limits)
        let suite = LedgerConformance(
            harness(ledgers) { ledger in
                try await server.kill()
                try await server.start()
                return try await ledgers.reopened(ledger)
            }
        )
        for name in suite.names where name.contains("kill") {
            let findings = await suite.run(only: name)
            #expect(findings == [])
        }
        await ledgers.close()
    }

    @Test func replicasKeepTheirContract() async throws {
        let ledgers = try await TestLedgers.shared()
        @Sendable func real(_ ledger: any ExaminedReplica) throws -> PostgreSQLLedger {
            try #require(ledger as? PostgreSQLLedger)
        }
        let suite = ReplicationConformance(
            ReplicationHarness(
                makeLedgers: { count in
                    await ledgers.close()
                    return try await ledgers.make(count)
                },
                expire: { try await real($0).expire() },
                loseNotifications: { ledger in
                    try await real(ledger)
                        .run(
                            """
                            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE datname = current_database() AND application_name = 'ledger-0-notifications'
                            """
                        )
                }
            )
        )
        let start = ContinuousClock.now
        let findings = await suite.run()
        #expect(findings == [])
        print("ReplicationConformance: \(suite.names.count) cases in \(ContinuousClock.now - start)")
        await ledgers.close()
    }
}
