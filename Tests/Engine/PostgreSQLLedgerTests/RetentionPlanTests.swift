import ExportLedger
import Exports
import PostgreSQL
import TestPostgreSQL
import Testing

@testable import PostgreSQLLedger

/// What purging reads in PostgreSQL, and whom it waits for.
@Suite struct RetentionPlanTests {
    /// The indexes of a plan, and how many rows were read in vain.
    private func examine(_ plan: String, indexes: Set<String>, in vain: Int = 0) {
        let used = Set(plan.matches(of: /using (\w+) on/).map { String($0.1) })
        #expect(used.isSubset(of: indexes) && !used.isEmpty, "\(plan)")
        #expect(!plan.contains("Seq Scan on export") && !plan.contains("Seq Scan on delivery"), "\(plan)")
        let removed = plan.matches(of: /Removed by (?:Filter|Index Recheck): (\d+)/).compactMap { Int($0.1) }
        #expect(removed.allSatisfy { $0 <= vain }, "\(plan)")
    }

    @Test func aBatchReadsWhatItReturns() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        try await ledger.fill(20_000)
        // Half of them ended at the same moment, so that the place is decided by the ids.
        try await ledger.script(
            """
            UPDATE export SET completed_at = CASE WHEN id < '00002000' THEN 7 ELSE 8 + ('x' || left(id, 8))::bit(32)::int END;
            ANALYZE export
            """
        )
        let types = ["text", "text", "bigint", "bigint", "text", "bigint"]
        for place in [("'-9223372036854775808'", "''"), ("7", "'00001000'"), ("9000", "'00002000'")] {
            let plan = try await ledger.plan(
                RetentionStatements.ended.text,
                types,
                ["'p1'", "'failed'", "100000", place.0, place.1, "50"]
            )
            examine(plan, indexes: ["export_ended"])
            let rows = plan.matches(of: /export_ended on export.*rows=(\d+)/).compactMap { Int($0.1) }
            #expect(rows.allSatisfy { $0 <= 50 }, "\(plan)")
        }
        await ledgers.close()
    }

    @Test func obstaclesAreFoundByTheirIndexes() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        try await ledger.fill(20_000)
        // One after the other: each has the time limit of a statement.
        for script in [
            """
            INSERT INTO delivery (export_id, id, kind, caller, request_id, started_at, coding, bytes_sent, file_bytes,
                resumptions, outcome)
                SELECT (SELECT min(id) FROM export), 'd' || n, 'delivery', 'a', 'r', n, 'identity', 1, 1, 0, 'whole'
                FROM generate_series(1, 20000) n
            """,
            """
            INSERT INTO webhook_message (time, attempts, webhook_id, id, export_id, type, state, body)
                SELECT n, 1, 'w' || n % 10, 'm' || n, 'x', 't', CASE WHEN n % 10 = 0 THEN 'pending' ELSE 'delivered' END, ''
                FROM generate_series(1, 20000) n
            """,
            """
            INSERT INTO webhook (id, sees_all, revision, created_at, updated_at, position, created_by, state, url, types,
                sealed_secrets)
                SELECT 'w' || n, 1, 1, 1, 1, 1, 'a', 'enabled', 'https://example.com', '', '' FROM generate_series(0, 999) n
            """,
            "INSERT INTO measurement (export_id, due_at, attempts) SELECT id, 1, 0 FROM export WHERE id > '00000003'",
            "ANALYZE export", "ANALYZE delivery", "ANALYZE webhook_message", "ANALYZE webhook", "ANALYZE measurement",
            "ANALYZE idempotency",
        ] {
            try await ledger.script(script)
        }
        let ids = "'{00000001-0000-7000-8000-000000000000,00000002-0000-7000-8000-000000000000}'"
        for (statement, types, values, index) in [
            (RetentionStatements.beingDelivered, ["text[]"], [ids], "delivery_under_way"),
            (RetentionStatements.beingMeasured, ["text[]"], [ids], "measurement_pkey"),
            (RetentionStatements.claimed, ["text[]", "bigint[]"], [ids, "'{1,2}'"], "idempotency_by_age"),
        ] {
            examine(try await ledger.plan(statement.text, types, values), indexes: [index])
        }
        // What was delivered is not read, however much it is, nor what is pending of other exports.
        let pending = try await ledger.plan(RetentionStatements.pending.text, ["text[]"], [ids])
        examine(pending, indexes: ["webhook_message_pending", "webhook_pkey"])
        let lock = try await ledger.plan(RetentionStatements.lock.text, ["text[]"], [ids])
        examine(lock, indexes: ["export_pkey", "export_request_pkey"])
        await ledgers.close()
    }

    @Test func anExportThatAnotherTransactionWorksOnIsPassedOver() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        try await ledger.fill(8)
        try await ledger.script("UPDATE export SET completed_at = 7")
        let late = Timestamp(milliseconds: 100)
        let failed = EndedExports(provider: ProviderID("p1"), status: .failed, before: late)
        let found = try await ledger.run("SELECT id FROM export WHERE provider = 'p1' AND status = 'failed'")
        let id = try #require(found.first?.text(0).flatMap { ExportID($0) })
        // As whoever stores that a delivery begins.
        let connection = try PostgreSQLConnection(ledgers.database(of: ledger).settings)
        defer { connection.close() }
        try connection.execute("BEGIN; SELECT 1 FROM export WHERE id = '\(id)' FOR KEY SHARE")
        let page = try await ledger.purge(failed, at: late, claimsSince: late, after: nil, limit: 9)
        #expect(try await ledger.purge(id, at: late, claimsSince: late) == .kept(.busy))
        try connection.execute("ROLLBACK")
        #expect(page.purged.isEmpty && page.kept == [.busy: 1])
        #expect(try await ledger.tombstone(id) == nil)
        #expect(
            try await ledger.purge(failed, at: late, claimsSince: late, after: nil, limit: 9).purged.map(\.id) == [id]
        )
        await ledgers.close()
    }

    @Test func aReplicaThatKnowsNoTombstonesKeepsEverything() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        try await ledger.fill(8)
        try await ledger.script(
            """
            UPDATE export SET completed_at = 7;
            INSERT INTO replica (id, expires_at) VALUES ('old', clock_timestamp() + interval '1 hour')
            """
        )
        let late = Timestamp(milliseconds: 100)
        let failed = EndedExports(provider: ProviderID("p1"), status: .failed, before: late)
        func purge() async throws -> PurgePage {
            try await ledger.purge(failed, at: late, claimsSince: late, after: nil, limit: 9)
        }
        let kept = try await purge()
        #expect(kept.purged.isEmpty && kept.kept[.olderReplica] ?? 0 > 0)
        try await ledger.run("UPDATE replica SET expires_at = clock_timestamp() - interval '1 second'")
        #expect(try await !purge().purged.isEmpty)
        await ledgers.close()
    }

    @Test func aReplicaWhoseClockIsAheadPurgesNothing() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        try await ledger.fill(8)
        try await ledger.script("UPDATE export SET completed_at = 7")
        let ahead = SystemTime().now() + .seconds(3600)
        let failed = EndedExports(provider: ProviderID("p1"), status: .failed, before: ahead)
        await #expect(throws: LedgerError.self) {
            _ = try await ledger.purge(failed, at: ahead, claimsSince: ahead, after: nil, limit: 9)
        }
        #expect(try await ledger.run("SELECT count(*) FROM export").first?.integer(0) == 8)
        await ledgers.close()
    }
}
