import ExportLedger
import Exports
import PostgreSQL
import TestPostgreSQL
import Testing

@testable import PostgreSQLLedger

/// However many messages are stored, a claim and the like read entries of one index, and only as many as they need.
@Suite struct MessagePlanTests {
    private static let webhook = "'00000003-0000-7000-8000-000000000000'"
    private static let webhooks = "'{00000003-0000-7000-8000-000000000000,00000004-0000-7000-8000-000000000000}'"

    private static let statements: [(SQLStatement, [String], [String], indexes: [String])] = [
        (WebhookStatements.claimable, ["bigint", "bigint", "bigint"], ["7", "1000000", "64"], ["turn"]),
        (WebhookStatements.next, ["bigint"], ["7"], ["turn"]),
        (
            WebhookStatements.claim, ["text[]", "bigint[]", "bigint", "bigint", "bigint"],
            [webhooks, "'{8,8}'", "1000000", "1000060", "8"], ["turn", "pkey"]
        ),
        (WebhookStatements.claims, ["text[]", "text[]"], [webhooks, "'{m3,m4}'"], ["by_id"]),
        (
            SQLStatement(WebhookQueue.first(webhook: "$1", queue: "$2")), ["text", "text"], [webhook, "''"], ["pending"]
        ),
        (
            WebhookStatements.newest, ["text", "text[]", "bigint", "bigint"],
            [webhook, "'{pending,delivered,failed}'", "1000000", "5"], ["by_state"]
        ),
        (
            WebhookStatements.failed, ["text", "bigint", "bigint", "bigint"], [webhook, "0", "0", "10"], ["by_state"]
        ),
        (WebhookStatements.pending, ["text", "bigint", "bigint"], [webhook, "1000000", "10"], ["waiting"]),
        (WebhookStatements.backlogs, [], [], ["waiting"]),
        (WebhookStatements.prune, ["bigint", "bigint"], ["10000", "10"], ["ended", "pkey"]),
    ]

    @Test func messagesAreFoundByTheirIndexes() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        try await ledger.fillMessages(20_000)
        for (statement, types, parameters, indexes) in Self.statements {
            let plan = try await ledger.plan(statement.text, types, parameters)
            let used = Set(plan.matches(of: /using webhook_message_(\w+) on webhook_message/).map { String($0.1) })
            #expect(used == Set(indexes), "\(plan)")
            #expect(!plan.contains("Seq Scan on webhook_message"), "\(plan)")
            let removed = plan.matches(of: /Removed by (?:Filter|Index Recheck): (\d+)/).compactMap { Int($0.1) }
            #expect(removed.allSatisfy { $0 <= 10 }, "\(plan)")
        }
        await ledgers.close()
    }
}

extension PostgreSQLLedger {
    /// Adds so many messages of 20 webhooks, nine of ten of which have ended. Each export has ten.
    fileprivate func fillMessages(_ count: Int) async throws {
        try await script(
            """
            INSERT INTO webhook (id, sees_all, revision, created_at, updated_at, position, created_by, state, url, types,
                sealed_secrets)
            SELECT lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000', 0, 1, 0, 0, 0, 'alice', 'enabled', 'u', '[]', ''
            FROM generate_series(0, 19) n;
            INSERT INTO webhook_message (time, attempts, due_at, turn, last_attempt_at, webhook_id, id, export_id, type, state,
                body)
            SELECT n, 1, CASE WHEN n % 200 >= 180 THEN n END, CASE WHEN n % 200 >= 180 AND n / 200 % 10 = 0 THEN 0 END, n,
                lpad(to_hex(n % 20), 8, '0') || '-0000-7000-8000-000000000000', 'm' || n,
                lpad(to_hex(n / 2000), 8, '0') || '-1111-7000-8000-000000000000', 'export.updated',
                CASE WHEN n % 200 >= 180 THEN 'pending' WHEN n % 200 < 20 THEN 'failed' ELSE 'delivered' END, ''
            FROM generate_series(0, \(count - 1)) n;
            ANALYZE;
            """
        )
    }
}
