@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Testing

/// A start of the engine on a ledger that was restored from a backup.
@Suite(.timeLimit(.minutes(5))) struct RestoredTests {
    /// Exports as a backup has them: accepted ones with keys, one whose start was under way, and one that is tracked.
    private func backup(in bench: Bench) async throws -> (accepted: [ExportID], starting: ExportID, tracked: ExportID) {
        var ids: [ExportID] = []
        for number in 0..<4 {
            let created = try await bench.engine.create(
                bench.draft(key: Idempotency(key: "key-\(number)", fingerprint: "\(number)")),
                for: .owner()
            )
            ids.append(created.export.id)
        }
        _ = try await bench.ledger.update(ids[2], fence: nil) { record in
            record.phase = .submitting
            record.submittingSince = bench.time.now()
            record.nextActionAt = nil
        }
        _ = try await bench.ledger.update(ids[3], fence: nil) { record in
            record.phase = .tracking
            record.reference = UpstreamReference(id: "job-of-the-backup")
        }
        return (Array(ids[..<2]), ids[2], ids[3])
    }

    private func decide(_ bench: Bench, _ id: ExportID, _ decision: SubmissionDecision) async throws -> Export {
        try await bench.engine.resolve(id, for: .auditor(), as: decision, revision: nil)
    }

    @Test func nothingIsStartedBeforeSomebodyDecides() async throws {
        let bench = try Bench()
        bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        let ids = try await backup(in: bench)
        let restored = try bench.restarted()
        #expect(try await restored.engine.holdRestored() == 3)
        // Harmless where it is done again.
        let before = try await restored.record(ids.accepted[0]).export
        #expect(try await restored.engine.holdRestored() == 3)
        #expect(try await restored.record(ids.accepted[0]).export == before)

        try await restored.running {
            // What is created now is started, what is tracked goes on.
            let new = try await restored.create()
            _ = try await restored.drive(new)
            #expect(try await restored.drive(ids.tracked).export.status == .succeeded)
            await restored.takenOver.wait()
            #expect(restored.provider.count(.submit) == 1)
            for id in ids.accepted + [ids.starting] {
                let export = try await restored.engine.export(id, for: .owner(), refresh: true)
                #expect(export.status == .notStarted && export.notice?.code == .heldAfterRestore)
            }
            // The key of an export that is held still names it.
            let again = try await restored.engine.create(
                restored.draft(key: Idempotency(key: "key-0", fingerprint: "0")),
                for: .owner()
            )
            #expect(again.export.id == ids.accepted[0])
        }

        // The next start has not been told of a restore. The mark is in the ledger.
        let next = try restored.restarted()
        try await next.running {
            await next.takenOver.wait()
            next.time.advance(by: .seconds(3 * 86_400))
            await next.idle()
            #expect(next.provider.count(.submit) == 1)
            #expect(try await decide(next, ids.accepted[0], .notStarted).notice == nil)
            #expect(try await next.drive(ids.accepted[0]).export.status == .succeeded)
            #expect(next.provider.count(.submit) == 2)
            // The same once more starts nothing.
            _ = try await decide(next, ids.accepted[0], .notStarted)
            #expect(try await decide(next, ids.accepted[1], .started(upstreamID: "job-77")).upstream?.id == "job-77")
            #expect(try await decide(next, ids.starting, .abandoned).status == .canceled)
            _ = try await next.drive(ids.accepted[1])
            #expect(next.provider.count(.submit) == 2)
        }
    }

    @Test func aStartOfAnEngineThatStillWorksIsNotStored() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        let fence = try await bench.record(id).fence
        _ = try await bench.restarted().engine.holdRestored()
        let life = try #require(bench.engine.workers.values.first?.life)
        let late = try await bench.engine.transitions.apply(
            .submissionBegins(secretsInMemory: true),
            to: id,
            fence: fence,
            life
        )
        #expect(late == nil)
        #expect(try await bench.record(id).isHeld)
    }

    @Test func anExportWithoutItsConnectionStaysHeld() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        _ = try await bench.restarted().engine.holdRestored()
        let orphaned = ExportEngine(
            ledger: bench.ledger,
            connections: [],
            descriptors: [bench.descriptor],
            time: bench.time,
            random: { .random(in: .min ... .max) },
            logger: bench.engine.logger,
            metrics: bench.metrics
        )
        _ = try await orphaned.takeOverPage(after: nil)
        #expect(try await bench.record(id).export.notice?.code == .heldAfterRestore)
        #expect(try await bench.record(id).isHeld)
    }
}
