import TestSupport
@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Testing

@Suite(.timeLimit(.minutes(5))) struct SnapshotTests {
    private func reads(_ outcome: String, _ bench: Bench) -> Int64? {
        bench.counter("export_gateway_snapshot_reads_total", [("outcome", outcome)])
    }

    private func known(_ bench: Bench, _ id: ExportID, viewer: Viewer = .owner()) async throws -> Export {
        try await bench.engine.export(id, for: viewer, refresh: false)
    }

    @Test func aThousandWhoMissShareOneRead() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger)
        let id = try await bench.create()
        // Another process of this gateway: nothing is in memory.
        let later = try bench.restarted()
        let gate = Gate()
        ledger.set { $0.beforeRecord = { gate.pass($0) } }
        let before = ledger.recordReads
        try await withThrowingTaskGroup(of: Export.self) { group in
            for _ in 0..<1000 { group.addTask { try await known(later, id) } }
            try await eventually { reads("miss", later) ?? 0 >= 1000 }
            gate.open()
            for try await export in group { #expect(export.id == id) }
        }
        #expect(ledger.recordReads - before == 1)
        #expect(try await known(later, id).status == .notStarted)
        #expect(later.engine.snapshot(of: id, for: .owner())?.export.id == id)
        #expect(ledger.recordReads - before == 1)
    }

    @Test func whoCreatesFindsItInMemory() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger)
        let id = try await bench.create()
        #expect(bench.engine.snapshot(of: id, for: .caller("alice"))?.export.revision == 1)
        #expect(ledger.recordReads == 0)
    }

    @Test func aReadThatFailedIsTriedAgain() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger)
        let id = try await bench.create()
        let later = try bench.restarted()
        ledger.set { $0.beforeRecord = { _ in throw StagedLedger.failure } }
        let error = await #expect(throws: GatewayError.self) { try await known(later, id) }
        #expect(error?.code == .unavailable)
        ledger.set { $0.beforeRecord = { $0() } }
        #expect(try await known(later, id).id == id)
    }

    @Test func whatDoesNotExistIsNotKept() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger)
        let id = bench.engine.random.newID(at: bench.time.now())
        for count in 1...2 {
            let error = await #expect(throws: GatewayError.self) { try await known(bench, id) }
            #expect(error?.code == .notFound)
            #expect(ledger.recordReads == count)
        }
    }

    /// Who is not answered from memory asks again, for the reason.
    @Test func whoIsToldOfNoneAndAsksWhyCausesOneRead() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger)
        let id = bench.engine.random.newID(at: bench.time.now())
        for count in 1...2 {
            let (told, gate) = (Signal(), Gate())
            ledger.set { $0.beforeRecord = { gate.pass($0) } }
            for number in 0..<3 {
                bench.engine.find(id, for: .caller("alice")) { snapshot in
                    #expect(snapshot == nil)
                    if number == 2 { told.fire() }
                }
            }
            gate.open()
            await told.wait()
            for _ in 0..<3 {
                let error = await #expect(throws: GatewayError.self) { try await known(bench, id) }
                #expect(error?.code == .notFound)
            }
            #expect(ledger.recordReads == count)
        }
        // What comes to be meanwhile is seen.
        let told = Signal()
        bench.engine.find(id, for: .caller("alice")) { _ in told.fire() }
        await told.wait()
        bench.engine.snapshots.creates(id)
        bench.engine.snapshots.created(id, nil)
        await #expect(throws: GatewayError.self) { try await known(bench, id) }
        #expect(ledger.recordReads == 4)
    }

    @Test func nobodyIsShownAnothers() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        #expect(bench.engine.snapshot(of: id, for: .caller("mallory")) == nil)
        let error = await #expect(throws: GatewayError.self) { try await known(bench, id, viewer: .caller("mallory")) }
        #expect(error?.code == .notFound)
        #expect(bench.engine.snapshot(of: id, for: .auditor())?.export.createdBy == "alice")
    }

    @Test func everyChangeIsSeenAtOnce() async throws {
        let bench = try Bench()
        bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        try await bench.running {
            let id = try await bench.create()
            let settled = try await bench.drive(id)
            // It is told of when it is committed, not before.
            try await eventually { bench.engine.snapshot(of: id, for: .owner())?.export.isFinal == true }
            #expect(bench.engine.snapshot(of: id, for: .owner())?.export == settled.export)
        }
    }

    @Test func aThousandWhoWaitCauseNoRead() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger)
        let id = try await bench.create()
        try await withThrowingTaskGroup(of: Export.self) { group in
            for _ in 0..<1000 {
                group.addTask {
                    try await bench.engine.export(id, for: .caller("alice"), changedFrom: 1, within: .seconds(60))
                }
            }
            await bench.time.deadlines(atLeast: 1000)
            #expect(ledger.recordReads == 0)
            _ = try await bench.engine.cancel(id, for: .owner())
            for try await export in group { #expect(export.status == .canceled) }
            // Of whoever canceled it.
            #expect(ledger.recordReads == 1)
        }
    }

    @Test func aWatcherIsWokenForANewRevisionOnly() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        let record = try await bench.record(id)
        await bench.engine.changes.watching(id, beyond: 1) { signal in
            bench.engine.changes.wrote(record, order: 1)
            await bench.engine.changes.watching(id) { every in
                var changed = record
                changed.export.revision = 2
                bench.engine.changes.wrote(record, order: 2)
                await every.wait()
                #expect(!signal.isFired)
                bench.engine.changes.wrote(changed, order: 4)
                await signal.wait()
                // It comes late: what is told stays.
                bench.engine.changes.wrote(record, order: 3)
                #expect(bench.engine.changes.latest(of: id)?.record.export.revision == 2)
            }
        }
        #expect(bench.engine.changes.latest(of: id) == nil)
    }

    @Test func withoutSnapshotsEveryQuestionIsOneToTheLedger() async throws {
        let ledger = try StagedLedger()
        var settings = EngineSettings()
        settings.snapshotLimit = 0
        let bench = try Bench(settings: settings, ledger: ledger)
        let id = try await bench.create()
        for count in 1...3 {
            #expect(try await known(bench, id).id == id)
            #expect(ledger.recordReads == count)
            #expect(bench.engine.snapshot(of: id, for: .owner()) == nil)
        }
    }
}
