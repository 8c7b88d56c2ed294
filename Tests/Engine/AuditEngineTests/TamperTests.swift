import Audit
@testable import ExportLedger
import Exports
import Foundation
import ManualClock
import TestSupport
import Testing

@testable import AuditEngine

private let least = "-9223372036854775808"
private let most = "9223372036854775807"

/// What a trail does where somebody has written to the database who has no key.
@Suite(.timeLimit(.minutes(1))) struct TamperTests {
    // MARK: Entries

    @Test func anEntryThatWasMadeUpIsCountedAndKept() async throws {
        let bench = try TrailBench()
        try await bench.ledger.append([bench.forgedEntry()])
        try await bench.running { await bench.sink.rows.reach(2) }
        #expect(try await bench.chain().map(\.entry.action) == [.keyChange, .reject])
        #expect(try bench.count("entries_rejected") == 1)
        #expect(try await bench.number("SELECT count(*) FROM audit_rejected WHERE caller = 'mallory'") == 1)
        #expect(try await bench.number("SELECT count(*) FROM audit_pending") == 0)
    }

    @Test func soManyRejectedEntriesAreKept() async throws {
        let bench = try TrailBench()
        try await bench.change(
            """
            WITH RECURSIVE numbers(number) AS (SELECT 1001 UNION ALL SELECT number + 1 FROM numbers WHERE number < 10999)
            INSERT INTO audit_rejected (number, id, time, action, outcome, stamp, key_id)
                SELECT number, '', 0, '', '', x'', '' FROM numbers
            """
        )
        try await bench.ledger.append((0..<3).map { _ in bench.forgedEntry() })
        try await bench.running { await bench.sink.rows.reach(2) }
        #expect(try bench.count("entries_rejected") == 3)
        #expect(try await bench.number("SELECT count(*) FROM audit_rejected") == AuditRejected.most)
        #expect(try await bench.number("SELECT count(*) FROM audit_pending") == 0)
    }

    @Test func anEntryOfAnUnknownKeyWaitsForIt() async throws {
        let bench = try TrailBench()
        try await bench.ledger.append([bench.entry(key: 9), bench.entry()])
        try await bench.running { await bench.sink.rows.reach(2) }
        #expect(try bench.count("entries_rejected") == 0)
        #expect(try await bench.ledger.auditBacklog().count == 1)
        let other = try TrailBench(bench.ledger, others: [TrailBench.key(9)])
        try await other.running { await other.sink.rows.reach(1) }
        #expect(try await bench.chain().map(\.entry.action) == [.keyChange, .create, .create])
        #expect(try await bench.ledger.auditBacklog().count == 0)
    }

    @Test(arguments: ["action = 'nothing'", "time = \(least)", "time = \(most)", "id = upper(id)"])
    func entriesThatCannotBeReadKeepNoOthersWaiting(_ assignment: String) async throws {
        let bench = try TrailBench { $0.batch = 2 }
        try await bench.ledger.append((0..<5).map { _ in bench.entry() })
        try await bench.change("UPDATE audit_pending SET \(assignment) WHERE number < 4")
        try await bench.running { await bench.sink.rows.reach(3) }
        let backlog = try await bench.ledger.auditBacklog()
        #expect(backlog.count == 3)
        #expect(backlog.oldest.map { AuditBounds.times.contains($0) } ?? true)
    }

    @Test func afterSoManyBatchesTheHeadHasItsTurn() async throws {
        let bench = try TrailBench { ($0.batch, $0.headInterval) = (1, Duration.zero) }
        try await bench.ledger.append((0..<50).map { _ in bench.entry() })
        try await bench.running { await bench.sink.rows.reach(51) }
        // The first row is about the key.
        #expect(bench.sink.heads.all.first?.sequence == 21)
        #expect(bench.sink.heads.all.last?.sequence == 51)
    }

    @Test func aHeadWithoutANextNumberIsTold() async throws {
        let bench = try TrailBench()
        try await bench.filled(3)
        try await bench.change("UPDATE audit_row SET sequence = \(most) WHERE sequence = 3")
        await #expect(throws: LedgerError.self) { _ = try await bench.ledger.auditHead() }
        try await bench.ledger.append([bench.entry()])
        await #expect(throws: LedgerError.self) {
            _ = try await bench.ledger.sealAudit(after: 0, limit: 9) { _, _, _ in AuditChain.Batch() }
        }
        await bench.trail.tellHead()
        #expect(try bench.count("heads", [("outcome", "failed")]) == 1)
        #expect(try await bench.ledger.auditBacklog().count == 1)
    }

    // MARK: Deletions

    @Test(
        arguments: [
            "UPDATE audit_row SET time = 0", "UPDATE audit_row SET time = 0 WHERE sequence = 1",
            "UPDATE audit_row SET time = 4102444800000 WHERE sequence = 1",
            "UPDATE audit_row SET time = \(least) WHERE sequence = 1",
            "UPDATE audit_row SET id = upper(id) WHERE sequence = 1", "DELETE FROM audit_row WHERE sequence = 1",
            "INSERT INTO audit_anchor SELECT 1, sequence, code, time, time, key_id, zeroblob(32) FROM audit_row LIMIT 1",
            "INSERT INTO audit_anchor SELECT 1, sequence, code, \(most), time, key_id, zeroblob(32) FROM audit_row LIMIT 1",
        ]
    )
    func whatWasChangedIsNotDeleted(_ statement: String) async throws {
        let bench = try TrailBench()
        try await bench.filled(6)
        try await bench.change(statement)
        let rows = "SELECT (SELECT count(*) FROM audit_row) + (SELECT count(*) FROM audit_anchor)"
        let before = try await bench.number(rows)
        for _ in 0..<2 {
            let outcome = try await bench.trail.trim(before: bench.time.now() + .seconds(-86_400), limit: 3)
            guard case .refused = outcome else {
                Issue.record("it is \(outcome)")
                return
            }
        }
        #expect(try bench.count("ends_missing") == 2)
        #expect(try await bench.number(rows) == before)
    }

    @Test func aCopyOfADeletedRowIsNotSealedAgain() async throws {
        let bench = try TrailBench()
        let entry = bench.entry()
        try await bench.ledger.append([entry])
        try await bench.running {
            await bench.sink.rows.reach(2)
            try await bench.record(2)
            await bench.sink.rows.reach(4)
        }
        #expect(try await bench.trail.trim(before: bench.time.now() + .seconds(1), limit: 2).count == 2)
        try await bench.ledger.append([entry])
        let next = try TrailBench(bench.ledger)
        try await next.running { await next.sink.rows.reach(1) }
        #expect(next.sink.rows.all.map(\.entry.action) == [.reject])
    }
}
