import Audit
import ExportLedger
import Exports
import ManualClock
import TestSupport
import Testing

@testable import AuditEngine

/// What a trail does where somebody has changed what says up to which row it was deleted.
@Suite(.timeLimit(.minutes(1))) struct AnchorTests {
    /// A trail whose first two rows were deleted, with a copy of an entry of them, and one that is genuine. Both wait.
    private func deleted() async throws -> (bench: TrailBench, copy: AuditEntry) {
        let bench = try TrailBench()
        let copy = bench.entry()
        try await bench.ledger.append([copy])
        try await bench.running {
            await bench.sink.rows.reach(2)
            try await bench.record(2)
            await bench.sink.rows.reach(4)
        }
        #expect(try await bench.trail.trim(before: bench.time.now() + .seconds(1), limit: 2).count == 2)
        try await bench.change("CREATE TABLE kept AS SELECT * FROM audit_anchor")
        bench.time.advance(by: .seconds(1))
        try await bench.ledger.append([copy, bench.entry()])
        return (bench, copy)
    }

    /// Who takes the anchor away for a moment has no copies sealed, and no genuine entries rejected.
    @Test(
        arguments: [
            "DELETE FROM audit_anchor", "UPDATE audit_anchor SET newest = 0",
            "UPDATE audit_anchor SET newest = 253402300799999", "UPDATE audit_anchor SET newest = 9223372036854775807",
            "UPDATE audit_anchor SET sequence = 1", "DELETE FROM audit_row WHERE sequence = 3", "DELETE FROM audit_row",
        ]
    )
    func whereTheBeginningWasChangedNothingIsSealed(_ statement: String) async throws {
        let (bench, copy) = try await deleted()
        try await bench.change("CREATE TABLE kept_rows AS SELECT * FROM audit_row")
        try await bench.change(statement)
        let next = try TrailBench(bench.ledger)
        try await next.running {}
        #expect(next.sink.rows.all.isEmpty)
        #expect(try next.count("ends_missing") == 1 && next.count("entries_rejected") == 0)
        #expect(try await bench.ledger.auditBacklog().count == 2)
        // Put back, it goes on.
        try await bench.change(
            """
            DELETE FROM audit_anchor; INSERT INTO audit_anchor SELECT * FROM kept;
            DELETE FROM audit_row; INSERT INTO audit_row SELECT * FROM kept_rows
            """
        )
        let last = try TrailBench(bench.ledger)
        try await last.running { await last.sink.rows.reach(2) }
        #expect(last.sink.rows.all.map(\.entry.action) == [.create, .reject])
        #expect(last.sink.rows.all.allSatisfy { $0.entry.id != copy.id })
    }

    /// The first row of before was genuine too.
    @Test func aFormerBeginningIsNotTakenAgain() async throws {
        let bench = try TrailBench()
        let copy = bench.entry()
        try await bench.ledger.append([copy])
        try await bench.running {
            await bench.sink.rows.reach(2)
            try await bench.record(2)
            await bench.sink.rows.reach(4)
            try await bench.change("CREATE TABLE kept AS SELECT * FROM audit_row WHERE sequence = 1")
            let end = bench.time.now() + .seconds(1)
            #expect(try await bench.trail.trim(before: end, limit: 2).count == 2)
            bench.time.advance(by: .seconds(1))
            try await bench.record(1)
            await bench.sink.rows.reach(6)
            try await bench.change("DELETE FROM audit_anchor; INSERT INTO audit_row SELECT * FROM kept")
            try await bench.ledger.append([copy])
        }
        #expect(bench.sink.rows.all.count == 6)
        #expect(try bench.count("ends_missing") == 1)
        #expect(try await bench.ledger.auditBacklog().count == 1)
    }

    /// That is a fault of the configuration.
    @Test func anAnchorOfAnUnknownKeyIsNoTampering() async throws {
        let (bench, _) = try await deleted()
        let next = try TrailBench(bench.ledger, key: 9)
        try await next.running {}
        #expect(next.sink.rows.all.isEmpty)
        #expect(try next.count("ends_missing") == 0)
        let other = try TrailBench(bench.ledger, key: 9, others: [TrailBench.key(7)])
        try await other.running { await other.sink.rows.reach(3) }
        #expect(other.sink.rows.all.map(\.entry.action) == [.keyChange, .create, .reject])
    }
}
