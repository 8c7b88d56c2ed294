import ExportLedger
import Exports
import Testing

@Suite struct RecordTests {
    @Test func everyFieldComesBackAsItWasWritten() async throws {
        let ledger = try SQLiteLedger.inMemory()
        for record in [Fixture.record(), Fixture.fullRecord()] {
            #expect(try await ledger.insert(record) == .created(record))
            #expect(try await ledger.record(record.export.id) == record)
        }
    }

    @Test func updateWritesEveryField() async throws {
        let ledger = try SQLiteLedger.inMemory()
        let record = Fixture.record()
        _ = try await ledger.insert(record)
        var full = Fixture.fullRecord()
        full.export.id = record.export.id
        let wanted = full
        let outcome = try await ledger.update(record.export.id, fence: 1) { $0 = wanted }
        #expect(outcome == .written(before: record, after: wanted))
        #expect(try await ledger.record(record.export.id) == wanted)
    }

    /// It has no column: what is remembered of the work tells it, so that rows of every age have it.
    @Test func trackingIsReadFromTheState() async throws {
        let ledger = try SQLiteLedger.inMemory()
        for (phase, awaits, tracking) in [
            (LedgerRecord.Phase.accepted, false, Tracking.background), (.submitting, true, .onRequest),
            (.tracking, true, .onRequest), (.tracking, false, .background), (.settled, false, nil),
        ] as [(LedgerRecord.Phase, Bool, Tracking?)] {
            var record = Fixture.record()
            record.export.tracking = nil
            record.phase = phase
            record.progress.awaitsAuthorization = awaits
            _ = try await ledger.insert(record)
            #expect(try await ledger.record(record.export.id)?.export.tracking == tracking)
            let page = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 100)
            #expect(page.exports.first { $0.id == record.export.id }?.tracking == tracking)
        }
    }

    @Test func unknownIdsAreNotFound() async throws {
        let ledger = try SQLiteLedger.inMemory()
        #expect(try await ledger.record(Fixture.id()) == nil)
        #expect(try await ledger.claim(Fixture.id()) == nil)
        #expect(try await ledger.update(Fixture.id(), fence: nil) { $0.fence += 1 } == .notFound)
    }

    @Test func concurrentUpdatesLoseNothing() async throws {
        let directory = try TemporaryDirectory()
        let ledger = try SQLiteLedger(path: directory.file("ledger.sqlite"))
        let id = try #require(try await ledger.insert(Fixture.record()).created).export.id
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask { _ = try await ledger.update(id, fence: nil) { $0.progress.polls += 1 } }
            }
            try await group.waitForAll()
        }
        #expect(try await ledger.record(id)?.progress.polls == 100)
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
    @Test func staleWorkerChangesNothing() async throws {
        let ledger = try SQLiteLedger.inMemory()
        let record = try #require(try await ledger.insert(Fixture.record()).created)
        let claimed = try #require(try await ledger.claim(record.export.id))
        #expect(claimed.fence == record.fence + 1)

        let stale = try await ledger.update(record.export.id, fence: record.fence) { $0.export.status = .failed }
        #expect(stale == .stale)
        #expect(try await ledger.record(record.export.id) == claimed)

        let fresh = try await ledger.update(record.export.id, fence: claimed.fence) { $0.export.status = .running }
        #expect(fresh != .stale)
        #expect(try await ledger.record(record.export.id)?.export.status == .running)
    }

    @Test func changeCanShutTheOwnerOut() async throws {
        let ledger = try SQLiteLedger.inMemory()
        let record = try #require(try await ledger.insert(Fixture.record()).created)
        _ = try await ledger.update(record.export.id, fence: nil) { $0.fence += 1 }
        #expect(try await ledger.update(record.export.id, fence: record.fence) { $0.phase = .settled } == .stale)
    }

    @Test func takingOverLeavesWhatIsSettled() async throws {
        let ledger = try SQLiteLedger.inMemory()
        var settled = Fixture.record(at: Fixture.epoch)
        settled.phase = .settled
        let younger = Fixture.record(at: Fixture.epoch + .seconds(2))
        let older = Fixture.record(at: Fixture.epoch + .seconds(1))
        for record in [settled, younger, older] { _ = try await ledger.insert(record) }

        let taken = try await ledger.takeOver(by: "b", after: nil, limit: 10) { $0.progress.polls = 7 }
        #expect(taken.items.map(\.before) == [older, younger])
        #expect(taken.items.map(\.after.fence) == [2, 2] && taken.next == nil)
        #expect(taken.items.allSatisfy { $0.after.leaseOwner == "b" && $0.after.progress.polls == 7 })
        #expect(try await ledger.record(older.export.id) == taken.items[0].after)
        #expect(try await ledger.record(settled.export.id)?.fence == 1)
        #expect(try await ledger.claim(settled.export.id) == nil)
    }

    @Test func takingOverGoesPageByPageAndLeavesOnesOwn() async throws {
        let ledger = try SQLiteLedger.inMemory()
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
