import ExportLedger
import Exports
import JSON
import ManualClock
import Testing
import TestSupport

@testable import ExportEngine

/// What a former engine left unfinished is taken over page by page, beside all other work.
@Suite(.timeLimit(.minutes(5))) struct TakeOverTests {
    /// Exports of a former engine, which are tracked, and not due for an hour.
    private func leave(_ count: Int, in bench: Bench) async throws -> [ExportID] {
        var generator = SeededRandom(seed: 11)
        var ids: [ExportID] = []
        for number in 0..<count {
            let now = bench.time.now() + .milliseconds(number)
            var record = LedgerRecord(
                export: Export(
                    id: ExportID(at: now, random: &generator),
                    provider: bench.descriptor.id,
                    connection: "main",
                    name: "Name",
                    createdAt: now,
                    createdBy: "alice",
                    source: [:]
                ),
                plan: ExportPlan(source: [:], suggestedName: "Name"),
                leaseOwner: "former"
            )
            record.phase = .tracking
            record.reference = UpstreamReference(id: "job-\(number)")
            record.nextActionAt = now + .seconds(3600)
            record.scheduledAt = bench.time.now()
            _ = try await bench.ledger.insert(record, idempotency: nil, claimsSince: now)
            ids.append(record.export.id)
        }
        return ids
    }

    @Test("fault D3: every page is taken over, beside all other work") func everyPageIsTakenOver() async throws {
        let bench = try Bench()
        bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        let ids = try await leave(450, in: bench)
        let engine = bench.engine
        try await bench.running {
            await bench.takenOver.wait()
            for id in ids {
                #expect(engine.workers.values.first?.fence(of: id) == 2)
                #expect(try await bench.record(id).leaseOwner == engine.ownership.own)
            }
            // What is created meanwhile is nobody else's.
            let own = try await bench.create()
            #expect(try await bench.record(own).fence == 1)
        }
    }

    @Test func newsOfWhatIsNotTakenOverYetIsNotLost() async throws {
        let bench = try Bench { $0.cancel = true }
        let ids = try await leave(250, in: bench)
        // Before any page: the engine does not run yet.
        _ = try await bench.engine.transitions.apply(
            .cancelRequested(withOwnersToken: true),
            to: ids[249],
            fence: nil,
            bench.engine.workers.values.first!.life
        )
        bench.engine.workers.values.first?.wake(ids[249])
        try await bench.running { await bench.provider.made(.cancel, atLeast: 1) }
        #expect(bench.provider.count(.cancel) == 1)
    }

    @Test("fault D3: an engine that stops leaves the rest") func anEngineThatStopsLeavesTheRest() async throws {
        let bench = try Bench()
        let page = ExportEngine.takeOverPageSize
        let ids = try await leave(3 * page, in: bench)
        // Closed before it runs, as by a signal right at the start.
        bench.engine.changes.close()
        for worker in bench.engine.workers.values { worker.stop() }
        try await bench.engine.run()
        #expect(try await bench.record(ids[0]).fence == 2)
        #expect(try await bench.record(ids[page - 1]).fence == 2)
        #expect(try await bench.record(ids[page]).fence == 1)
    }
}
