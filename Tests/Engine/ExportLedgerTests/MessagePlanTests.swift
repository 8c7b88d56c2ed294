import GRDB
import TestLedger
import Testing
import Webhooks

@testable import ExportLedger

/// However many messages are stored, a claim and the like read entries of one index.
@Suite struct MessagePlanTests {
    @Test(arguments: [
        (WebhookMessage.claimable, ["turn"]), (WebhookMessage.next, ["turn"]), (WebhookMessage.due, ["turn"]),
        (WebhookMessage.countClaims, ["turn"]), (WebhookMessage.end, ["by_id"]),
        (WebhookQueue.first(webhook: "?", queue: "?"), ["pending"]), (WebhookMessage.select, ["by_id"]),
        (WebhookMessage.ofState, ["by_state"]), (WebhookMessage.failed, ["by_state"]),
        (WebhookMessage.prune, ["ended"]), (WebhookMessage.pending, ["waiting"]), (WebhookQueue.backlogs, ["waiting"]),
    ])
    func messagesAreFoundByTheirIndexes(_ statement: String, _ indexes: [String]) async throws {
        let ledger = try SQLiteLedger.temporary()
        let steps = try await ledger.database.read { database in
            let explained = try database.makeStatement(sql: "EXPLAIN QUERY PLAN \(statement)")
            let values = Array(repeating: DatabaseValue.null, count: statement.count { $0 == "?" })
            return try Row.fetchAll(explained, arguments: StatementArguments(values)).map { $0[3] as String }
        }
        let scans = steps.filter { $0.hasPrefix("SCAN webhook_message") && !$0.contains("COVERING INDEX") }
        #expect(scans.isEmpty, "\(steps)")
        let used = steps.joined(separator: "\n").matches(of: /INDEX webhook_message_(\w+)/).map { String($0.1) }
        #expect(Set(used) == Set(indexes), "\(steps)")
    }
}
