import ExportLedger
import Exports
import PostgreSQL
import TestPostgreSQL
import Testing

@testable import PostgreSQLLedger

/// Lists read no more than they return, whatever the filter: in a table in which almost nothing matches too.
@Suite struct ListPlanTests {
    @Test func everyFilterReadsRangesOfIndexes() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        try await ledger.fill(20_000)
        let columns: [ExportColumn] = [.provider, .connection, .status, .createdBy]
        let values: [ExportColumn: String] = [
            .provider: "p1", .connection: "c3", .status: "failed", .createdBy: "rare",
        ]
        for combination in 0..<16 {
            let fixed = Set(columns.enumerated().filter { combination >> $0.offset & 1 == 1 }.map(\.element))
            let index = ListIndex(fixing: fixed)
            let text = ListStatements.places(index, fixing: fixed).text
            let parameters = ["''", "'g'", "51"] + index.columns.filter(fixed.contains).map { "'\(values[$0] ?? "")'" }
            // The plan for any values, which PostgreSQL uses after some executions.
            let types = ["text", "text", "bigint"] + parameters.dropFirst(3).map { _ in "text" }
            let plan = try await ledger.plan(text, types, parameters)
            // No index but its own is read, and no row of it in vain.
            let indexes = plan.matches(of: /using (\w+) on export/).map(\.1)
            let wanted = fixed.isEmpty ? "export_pkey" : index.rawValue
            #expect(!indexes.isEmpty && indexes.allSatisfy { $0 == wanted }, "\(fixed):\n\(plan)")
            let removed = plan.matches(of: /Removed by (?:Filter|Index Recheck): (\d+)/).compactMap { Int($0.1) }
            #expect(removed.allSatisfy { $0 <= 4 }, "\(fixed):\n\(plan)")
        }
        await ledgers.close()
    }

    @Test func aCallersCountReadsOnlyWhatCounts() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        try await ledger.fill(20_000)
        // The last 40 of nearly 20,000.
        let least = "lpad(to_hex(19961), 8, '0')"
        let plan = try await ledger.plan(ListStatements.countOfCreator.text, ["text", "text"], [least, "'alice'"])
        let indexes = plan.matches(of: /using (\w+) on export/).map(\.1)
        let wanted = ListIndex.creator.rawValue
        #expect(!indexes.isEmpty && indexes.allSatisfy { $0 == wanted }, "\(plan)")
        // Twelve ranges of a few pages each: 142 pages. Where each range was read up to the caller's last export, they were 1,834.
        let pages = try #require(plan.firstMatch(of: /shared hit=(\d+)(?: read=(\d+))?/), "\(plan)")
        #expect((Int(pages.1) ?? 0) + (pages.2.flatMap { Int($0) } ?? 0) < 600, "\(plan)")
        await ledgers.close()
    }
}

extension PostgreSQLLedger {
    /// Adds so many settled exports, few of them of the caller `rare`.
    func fill(_ count: Int) async throws {
        let others = ExportColumn.ofExport.filter { column in
            ![.id, .provider, .connection, .status, .createdBy, .phase, .name, .files].contains(column)
        }
        let required: Set<ExportColumn> = [
            .revision, .createdAt, .updatedAt, .stale, .awaitsAuthorization, .cancelWished, .fence, .leaseEpoch,
            .submissionAttempts, .resubmissions, .reconcileMisses, .polls, .failures, .startIsAccepted,
            .fileLagAttempts, .cancelAttempts, .observeBeforeCancel, .acceptedSince, .heldSeconds,
            .heldSecondsSinceAnswer,
        ]
        let zeros = others.filter(required.contains).map(\.name)
        try await script(
            """
            INSERT INTO export (id, provider, connection, status, created_by, phase, name, files,
                \(zeros.joined(separator: ", ")))
            SELECT lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000', 'p' || n % 3, 'c' || n % 10,
                (ARRAY['succeeded', 'failed', 'canceled', 'expired'])[1 + n % 4],
                CASE WHEN n % 5000 = 1 THEN 'rare' ELSE 'alice' END, 'settled', 'name', '[]',
                \(zeros.map { _ in "0" }.joined(separator: ", "))
            FROM generate_series(1, \(count)) n;
            INSERT INTO export_request SELECT id, '{}', '{"needsSecrets":false,"source":null,"suggestedName":"n"}' FROM export;
            ANALYZE;
            """
        )
    }

    /// What the server does for a statement, with how many rows and pages.
    func plan(_ text: String, _ types: [String], _ parameters: [String]) async throws -> String {
        let types = types.isEmpty ? "" : "(\(types.joined(separator: ", ")))"
        let values = parameters.isEmpty ? "" : "(\(parameters.joined(separator: ", ")))"
        return try await reads.run { connection in
            try connection.execute("SET plan_cache_mode = force_generic_plan; PREPARE a_list \(types) AS \(text)")
            let call = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) EXECUTE a_list \(values)"
            let rows = try connection.query(SQLQuery(SQLStatement(call)))
            try connection.execute("DEALLOCATE a_list; RESET plan_cache_mode")
            return rows.compactMap { $0.text(0) }.joined(separator: "\n")
        }
    }
}
