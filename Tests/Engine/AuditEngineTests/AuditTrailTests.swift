import Audit
@testable import ExportLedger
import Exports
import Foundation
import GRDB
import Logging
import ManualClock
import MetricsTestKit
import Synchronization
import TestLedger
import TestSupport
import Testing

@testable import AuditEngine

@Suite(.timeLimit(.minutes(1))) struct AuditTrailTests {
    private typealias Bench = TrailBench

    @Test func whatIsRecordedIsSealedAtOnce() async throws {
        let bench = try Bench { $0.batch = 4 }
        try await bench.running {
            try await bench.record(10)
            await bench.sink.rows.reach(11)
        }
        let rows = try await bench.chain()
        #expect(rows.map(\.entry.action) == [.keyChange] + Array(repeating: .ticket, count: 10))
        #expect(rows == bench.sink.rows.all)
        #expect(try bench.count("rows", [("action", "ticket")]) == 10)
        var verification = AuditVerification(.trail(nil), keys: AuditKeys([Bench.key(7)]), heads: [])
        for row in rows { verification.check(row) }
        #expect(verification.isGood)
    }

    @Test func headsAreToldAtTheirTimesAndAtTheEnd() async throws {
        let bench = try Bench { $0.headInterval = .seconds(60) }
        try await bench.running {
            try await bench.record(1)
            await bench.sink.rows.reach(2)
            for _ in 0..<2 {
                await bench.time.pauses(atLeast: 1)
                bench.time.advance(by: .seconds(61))
            }
            await bench.sink.heads.reach(1)
            // Where nothing was sealed since, nothing is told.
            await bench.time.pauses(atLeast: 1)
            bench.time.advance(by: .seconds(61))
            await bench.time.pauses(atLeast: 1)
            #expect(bench.sink.heads.all.map(\.sequence) == [2])
            try await bench.record(1)
            await bench.sink.rows.reach(3)
        }
        #expect(bench.sink.heads.all.map(\.sequence) == [2, 3])
        let text = try String(contentsOfFile: bench.headFile, encoding: .utf8)
        let heads = text.split(separator: "\n").compactMap { AuditHead(line: $0.utf8) }
        #expect(heads == bench.sink.heads.all)
        #expect(try bench.count("heads", [("outcome", "told")]) == 2)
    }

    @Test func denialsAreBoundedAndCounted() async throws {
        let bench = try Bench()
        bench.deny(500)
        bench.deny(3, nil)
        try await bench.running { await bench.sink.rows.reach(14) }
        let denials = try await bench.chain().map(\.entry).filter { $0.action == .deny }
        #expect(denials.count == 14)
        #expect(denials.count { $0.details["request"] == "GET /exports" && $0.outcome == .refused } == 13)
        #expect(denials.filter { $0.details["leftOut"] == "490" }.map { $0.details["code"] } == ["forbidden"])
        #expect(try bench.count("denials_left_out") == 490 && bench.count("denials_lost") == 0)
    }

    @Test func denialsThatTheLedgerDoesNotTakeWaitAndAreBounded() async throws {
        var queue = DenialQueue(DenialWindow.Limits(), limit: 3)
        let denial = AuditDenial(
            origin: AuditOrigin(caller: "alice"),
            code: .forbidden,
            request: "GET /exports",
            exportID: nil
        )
        for _ in 0..<5 { queue.add(denial, at: .zero, Timestamp(milliseconds: 0)) }
        let counts = queue.takeCounts()
        #expect(counts.leftOut == 0 && counts.lost == 2)
        let items = queue.takeItems()
        queue.add(denial, at: .zero, Timestamp(milliseconds: 1))
        queue.putBack(items)
        #expect(queue.takeCounts().lost == 1)
        #expect(queue.takeItems().count == 3 && queue.isEmpty)
    }

    @Test func whatIsMissingAtTheEndIsNoticed() async throws {
        let bench = try Bench()
        try await bench.running {
            try await bench.record(3)
            await bench.sink.rows.reach(4)
            try await bench.ledger.database.write { try $0.execute(sql: "DELETE FROM audit_row WHERE sequence > 2") }
            try await bench.record(1)
            await bench.sink.rows.reach(5)
        }
        #expect(try bench.count("ends_missing") == 1)
    }

    @Test func piecesAndPages() async throws {
        let bench = try Bench { $0.pieceRows = 4 }
        try await bench.running {
            try await bench.record(9)
            await bench.sink.rows.reach(10)
        }
        let first = try await bench.trail.piece(after: 0, matching: AuditFilter(), limit: 3)
        #expect(first.rows.map(\.sequence) == [1, 2, 3] && first.next == 3)
        var filter = AuditFilter()
        filter.action = .keyChange
        // It looks at four rows only.
        let sparse = try await bench.trail.piece(after: 1, matching: filter, limit: 3)
        #expect(sparse.rows.isEmpty && sparse.next == 5)
        let last = try await bench.trail.piece(after: 8, matching: AuditFilter(), limit: 3)
        #expect(last.rows.map(\.sequence) == [9, 10] && last.next == nil)
        filter.action = .ticket
        var (place, found) = (AuditPlace?.none, [Int64]())
        repeat {
            let page = try await bench.trail.rows(matching: filter, before: place, limit: 4)
            found += page.rows.map(\.sequence)
            place = page.next
        } while place != nil
        #expect(found == (2...10).reversed())
    }

    @Test func aPieceNamesRowsThatCannotBeRead() async throws {
        let bench = try Bench()
        try await bench.running {
            try await bench.record(5)
            await bench.sink.rows.reach(6)
        }
        let damage = "UPDATE audit_row SET action = 'nothing' WHERE sequence IN (3, 6)"
        try await bench.ledger.database.write { try $0.execute(sql: damage) }
        var filter = AuditFilter()
        let whole = try await bench.trail.piece(after: 0, matching: filter, limit: 10)
        #expect(whole.rows.map(\.sequence) == [1, 2, 4, 5] && whole.unreadable == [3, 6] && whole.next == nil)
        filter.action = .ticket
        let first = try await bench.trail.piece(after: 0, matching: filter, limit: 1)
        #expect(first.rows.map(\.sequence) == [2] && first.unreadable == [] && first.next == 2)
        let second = try await bench.trail.piece(after: 2, matching: filter, limit: 1)
        #expect(second.rows.map(\.sequence) == [4] && second.unreadable == [3] && second.next == 4)
    }

    @Test func theOldestRowsAreDeleted() async throws {
        let bench = try Bench()
        try await bench.running {
            try await bench.record(5)
            await bench.sink.rows.reach(6)
        }
        let later = bench.time.now() + .seconds(10)
        #expect(try await bench.trail.trim(before: later, limit: 3).count == 3)
        let (rows, anchor) = (try await bench.chain(), try await bench.ledger.auditAnchor())
        #expect(rows.first?.sequence == 4 && rows.last?.entry.action == .trim && anchor?.sequence == 3)
        var verification = AuditVerification(.trail(anchor), keys: AuditKeys([Bench.key(7)]), heads: [])
        for row in rows { verification.check(row) }
        verification.finish()
        #expect(verification.isGood)
        // A collector would take it for lost otherwise.
        #expect(bench.sink.rows.all.map(\.sequence) == Array(1...7) && bench.sink.rows.all.last == rows.last)
        #expect(try bench.count("rows", [("action", "trim")]) == 1)
    }

    /// A clock was ahead for more rows than are looked at first.
    @Test func rowsOfTheFutureKeepNoOthersForGood() async throws {
        let ahead = try Bench()
        ahead.time.advance(by: .seconds(86_400))
        try await ahead.filled(5)
        let bench = try Bench(ahead.ledger)
        try await bench.running {
            try await bench.record(2)
            await bench.sink.rows.reach(2)
        }
        #expect(try await bench.trail.trim(before: bench.time.now() + .seconds(1), limit: 3).count == 6)
    }
}
