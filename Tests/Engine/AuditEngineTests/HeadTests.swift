import Audit
import ExportLedger
import Exports
import Foundation
import ManualClock
import Synchronization
import TestSupport
import Testing

@testable import AuditEngine

/// Heads that were told before are compared with the chain.
@Suite(.timeLimit(.minutes(1))) struct HeadTests {
    @Test func aRowThatWasToldAndIsAnotherOneNowIsMissed() async throws {
        let bench = try TrailBench()
        try await bench.filled(4)
        try await bench.change("UPDATE audit_row SET code = zeroblob(32) WHERE sequence = 4")
        await bench.trail.tellHead()
        // It is not what was told, and no key has sealed it.
        #expect(try bench.count("ends_missing") == 2)
        #expect(bench.sink.heads.all.map(\.sequence) == [4])
    }

    @Test func anEarlierEndIsToldWithAnError() async throws {
        let bench = try TrailBench()
        try await bench.filled(4)
        try await bench.change("DELETE FROM audit_row WHERE sequence > 2")
        for _ in 0..<2 { await bench.trail.tellHead() }
        #expect(try bench.count("ends_missing") == 1)
        #expect(bench.sink.heads.all.map(\.sequence) == [4, 2])
        try await bench.change("DELETE FROM audit_row")
        await bench.trail.tellHead()
        #expect(try bench.count("ends_missing") == 2)
    }

    /// Rows were put in the place of those that were told, while no gateway ran.
    @Test func whatWasToldBeforeIsCompared() async throws {
        let bench = try TrailBench()
        try await bench.filled(4)
        let told = try #require(HeadFile.last(in: bench.headFile))
        #expect(told == bench.sink.heads.all.last)
        try await bench.change("DELETE FROM audit_row WHERE sequence > 2")
        let second = try TrailBench(bench.ledger, told: told)
        try await second.running {
            try await second.record(3)
            await second.sink.rows.reach(3)
        }
        #expect(try second.count("ends_missing") > 0)
        let third = try TrailBench(bench.ledger, told: told)
        await third.trail.tellHead()
        #expect(try third.count("ends_missing") == 1 && third.sink.heads.all.map(\.sequence) == [5])
    }

    @Test func aRowThatWasDeletedBecauseOfItsAgeIsNotMissed() async throws {
        let bench = try TrailBench()
        try await bench.filled(4)
        let told = try #require(bench.sink.heads.all.last)
        let next = try TrailBench(bench.ledger, told: told)
        try await next.running {
            try await next.record(2)
            await next.sink.rows.reach(2)
        }
        #expect(try await next.trail.trim(before: next.time.now() + .seconds(1), limit: 5).count == 5)
        let last = try TrailBench(bench.ledger, told: told)
        await last.trail.tellHead()
        #expect(try last.count("ends_missing") == 0 && last.sink.heads.all.map(\.sequence) == [7])
        // Without the anchor's proof, it is.
        try await bench.change("UPDATE audit_anchor SET proof = zeroblob(32)")
        let other = try TrailBench(bench.ledger, told: told)
        await other.trail.tellHead()
        #expect(try other.count("ends_missing") == 1)
        try await bench.change("UPDATE audit_anchor SET newest = 9223372036854775807")
        let third = try TrailBench(bench.ledger, told: told)
        await third.trail.tellHead()
        #expect(try third.count("ends_missing") == 1)
    }

    /// Another process has gone on from an earlier row, up to the number of the last one that was sealed here.
    @Test func rowsThatOthersPutInThePlaceOfSeenOnesAreMissed() async throws {
        let bench = try TrailBench()
        try await bench.filled(5)
        // As if no head was told.
        bench.trail.told.withLock { $0 = nil }
        try await bench.change("DELETE FROM audit_row WHERE sequence > 3")
        let other = try TrailBench(bench.ledger)
        try await other.running {
            try await other.record(3)
            await other.sink.rows.reach(3)
        }
        #expect(try other.count("ends_missing") == 0)
        try await bench.running {
            try await bench.record(1)
            await bench.sink.rows.reach(6)
        }
        #expect(bench.sink.rows.all.map(\.sequence) == [1, 2, 3, 4, 5, 7])
        #expect(try bench.count("ends_missing") == 1)
    }

    /// It seals nothing meanwhile.
    @Test func seenRowsAreMissedWhereNoneOfThemWasTold() async throws {
        let bench = try TrailBench()
        try await bench.filled(5)
        let third = AuditHead(try await bench.chain()[2])
        bench.trail.told.withLock { $0 = third }
        try await bench.change("DELETE FROM audit_row WHERE sequence > 3")
        try await bench.running {}
        #expect(try bench.count("ends_missing") == 1)
        await bench.trail.tellHead()
        #expect(try bench.count("ends_missing") == 1)
    }

    @Test func seenRowsThatWereDeletedBecauseOfTheirAgeAreNotMissed() async throws {
        let bench = try TrailBench()
        try await bench.filled(4)
        bench.trail.told.withLock { $0 = nil }
        let other = try TrailBench(bench.ledger)
        try await other.running {
            try await other.record(2)
            await other.sink.rows.reach(2)
        }
        #expect(try await other.trail.trim(before: other.time.now() + .seconds(1), limit: 5).count == 5)
        bench.time.advance(by: .seconds(1))
        try await bench.running {
            try await bench.record(1)
            await bench.sink.rows.reach(5)
        }
        #expect(bench.sink.rows.all.last?.sequence == 8)
        #expect(try bench.count("ends_missing") == 0)
    }

    /// The key was changed, and nothing was sealed since.
    @Test func aLastRowOfAnUnknownKeyIsNoTampering() async throws {
        let bench = try TrailBench()
        try await bench.filled(3)
        let other = try TrailBench(bench.ledger, key: 9)
        await other.trail.tellHead()
        #expect(try other.count("ends_missing") == 0 && other.sink.heads.all.isEmpty)
        try await other.running {
            try await other.record(1)
            await other.sink.rows.reach(2)
        }
        #expect(other.sink.heads.all.map(\.sequence) == [5])
        #expect(try other.count("ends_missing") == 0)
    }

    @Test func theLastHeadOfAFileIsRead() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("heads.ndjson")
        #expect(HeadFile.last(in: path) == nil)
        func line(_ sequence: Int64) -> String {
            let head = AuditHead(
                sequence: sequence,
                code: AuditRow.noCode,
                keyID: "k",
                time: Timestamp(milliseconds: 0)
            )
            return String(decoding: head.line, as: UTF8.self)
        }
        func last(_ text: String) throws -> Int64? {
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            return HeadFile.last(in: path)?.sequence
        }
        #expect(try last("") == nil)
        #expect(try last("\(line(1))\n\(line(2))\n") == 2)
        #expect(try last("\(line(1))\n\(line(2).prefix(30))") == 1)
        let many = (1...2_000).map { line($0) + "\n" }.joined()
        #expect(try last(many) == 2_000)
        #expect(try last(String(repeating: "x", count: 100_000)) == nil)
    }
}
