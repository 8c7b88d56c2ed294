import TestLedger
@testable import ExportLedger
import Exports
import GRDB
import Testing

@Suite struct RecordTests {
    /// The rest of the row stands as it is: another text that means the same stays.
    @Test func anUpdateWritesWhatChanged() async throws {
        let ledger = try SQLiteLedger.temporary()
        let record = Fixture.fullRecord()
        _ = try await ledger.insert(record)
        let spaced = #"{ "context": {"case": "c"}, "id": "u" }"#
        try await ledger.database.write { try $0.execute(sql: "UPDATE export SET reference = ?", arguments: [spaced]) }
        _ = try await ledger.update(record.export.id, fence: 9) { $0.export.name = "other" }
        let (name, reference) = try await ledger.database.read { database in
            (
                try String.fetchOne(database, sql: "SELECT name FROM export"),
                try String.fetchOne(database, sql: "SELECT reference FROM export")
            )
        }
        #expect(name == "other")
        #expect(reference == spaced)
    }

    @Test func markerHoldsTheTimeOfTheFirstAttempt() {
        var record = Fixture.record()
        #expect(record.marker.notBefore == record.export.createdAt)
        record.submittingSince = Fixture.epoch + .seconds(9)
        #expect(record.marker.notBefore == Fixture.epoch + .seconds(9))
        #expect(record.marker.exportName == "Quarter ☃")
    }
}

@Suite struct FencingTests {
    @Test func takingOverLeavesWhatIsSettled() async throws {
        let ledger = try SQLiteLedger.temporary()
        var settled = Fixture.record(at: Fixture.epoch)
        settled.phase = .settled
        let younger = Fixture.record(at: Fixture.epoch + .seconds(2))
        let older = Fixture.record(at: Fixture.epoch + .seconds(1))
        for record in [settled, younger, older] { _ = try await ledger.insert(record) }

        let taken = try await ledger.takeOver(by: "b", after: nil, limit: 10) { $0.progress.polls = 7 }
        #expect(taken.items.map(\.before) == [older, younger])
        #expect(taken.items.map(\.after.fence) == [2, 2] && taken.next == nil)
        #expect(taken.items.allSatisfy { $0.after.leaseOwner == "b" && $0.after.leaseEpoch == 1 })
        #expect(taken.items.allSatisfy { $0.after.progress.polls == 7 })
        #expect(try await ledger.record(older.export.id) == taken.items[0].after)
        #expect(try await ledger.record(settled.export.id)?.fence == 1)
    }

    @Test func takingOverGoesPageByPageAndLeavesOnesOwn() async throws {
        let ledger = try SQLiteLedger.temporary()
        var records: [LedgerRecord] = []
        for second in 0..<7 {
            var record = Fixture.record(at: Fixture.epoch + .seconds(second))
            // The third is the new engine's own already.
            record.leaseOwner = second == 3 ? "b" : second == 4 ? "a" : nil
            records.append(try #require(try await ledger.insert(record).created))
        }
        var ids: [ExportID] = []
        var last: ExportID?
        repeat {
            let page = try await ledger.takeOver(by: "b", after: last, limit: 2) { _ in }
            #expect(page.items.count == 2)
            ids += page.items.map(\.after.export.id)
            last = page.next
        } while last != nil
        #expect(ids == records.indices.filter { $0 != 3 }.map { records[$0].export.id })
        #expect(try await ledger.record(records[3].export.id)?.fence == 1)
        #expect(try await ledger.takeOver(by: "b", after: nil, limit: 10) { _ in }.items.isEmpty)
    }
}
