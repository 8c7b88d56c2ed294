import ExportLedger
import Exports
import ManualClock
import Testing

@testable import ExportEngine

/// For how long the request budget has held an export back is known after a restart, and counts for all of its deadlines.
@Suite(.timeLimit(.minutes(2))) struct HeldTimeTests {
    @Test("fault C2: held time is not lost by a restart")
    func heldTimeOutlivesTheProcess() async throws {
        var settings = EngineSettings()
        settings.trackingDeadline = .seconds(3600)
        let bench = try Bench(settings: settings)
        let now = bench.time.now
        let begun = now()
        bench.provider.set {
            $0.onObserve = { _ in
                switch now() - begun {
                case ..<Duration.seconds(3000): .failure(HeldBackTests.noPlace())
                case ..<Duration.seconds(5700): .success(Observation(.running, upstreamStatus: "Running"))
                default: .success(.succeeded())
                }
            }
        }
        var engine = bench
        let id = try await bench.running {
            let id = try await bench.create()
            _ = try await bench.drive(id, by: .seconds(10)) { _ in now() - begun >= .seconds(1500) }
            return id
        }
        // Nothing was written for each poll.
        let writes = try await bench.ledger.record(id)
        #expect((writes?.progress.heldSeconds ?? 0) >= 1500 - 2 * ExportProgress.mostUnwrittenHeldSeconds)
        #expect(writes?.export.revision ?? 9 <= 3)
        for end in [3200, 5000] {
            engine = try engine.restarted()
            let present = engine
            try await present.running {
                _ = try await present.drive(id, by: .seconds(10)) { _ in now() - begun >= .seconds(end) }
            }
        }
        let last = try engine.restarted()
        try await last.running {
            let record = try await last.drive(id, by: .seconds(10))
            #expect(record.export.status == .succeeded, "\(String(describing: record.export.error))")
        }
    }

    /// The budget has held it back for longer than its deadline before the process ended, and has no place for it right after the next
    /// start: what became of the job meanwhile is asked for first.
    @Test func whatHasWaitedForTheGatewayIsAskedForBeforeItEnds() async throws {
        var settings = EngineSettings()
        settings.trackingDeadline = .seconds(3600)
        let bench = try Bench(settings: settings)
        let now = bench.time.now
        let begun = now()
        bench.provider.set { $0.onObserve = { _ in .failure(HeldBackTests.noPlace()) } }
        let id = try await bench.running {
            let id = try await bench.create()
            _ = try await bench.drive(id, by: .seconds(10)) { $0.progress.heldSeconds >= 3600 }
            return id
        }
        bench.time.advance(by: .seconds(2 * 3600))
        let started = now()
        bench.provider.set {
            $0.onObserve = { _ in
                now() - started < .seconds(300) ? .failure(HeldBackTests.noPlace()) : .success(.succeeded())
            }
        }
        let second = try bench.restarted()
        try await second.running {
            let record = try await second.drive(id, by: .seconds(10))
            #expect(record.export.status == .succeeded, "\(String(describing: record.export.error))")
        }
        #expect(now() - begun > .seconds(3 * 3600))
    }

    @Test("fault C2: held time counts for the token that is waited for, after a restart too")
    func heldTimeCountsForTheToken() async throws {
        var settings = EngineSettings()
        settings.trackingDeadline = .seconds(3600)
        let bench = try Bench(settings: settings) { $0.delegatedOnly = true }
        let now = bench.time.now
        let begun = now()
        bench.provider.set { $0.onObserve = { _ in .failure(HeldBackTests.noPlace()) } }
        let id = try await bench.running {
            let id = try await bench.create(token: "t")
            _ = try await bench.drive(id, by: .seconds(10)) { _ in now() - begun >= .seconds(3000) }
            return id
        }
        // The token is gone with the process.
        let later = try bench.restarted()
        try await later.running {
            let record = try await later.drive(id, by: .seconds(10)) { $0.progress.awaitsAuthorization }
            let deadline = try #require(record.nextActionAt)
            #expect(deadline - begun >= .seconds(3600 + 3000 - 2 * ExportProgress.mostUnwrittenHeldSeconds))
            #expect(deadline - begun <= .seconds(3600 + 3010))
        }
    }

    @Test func heldTimeInMemoryCountsForTheToken() async throws {
        var settings = EngineSettings()
        settings.trackingDeadline = .seconds(3600)
        let bench = try Bench(settings: settings) { $0.delegatedOnly = true }
        let now = bench.time.now
        let begun = now()
        bench.provider.set { $0.onObserve = { _ in .failure(HeldBackTests.noPlace()) } }
        try await bench.running {
            let id = try await bench.create(token: "t")
            _ = try await bench.drive(id, by: .seconds(10)) { _ in now() - begun >= .seconds(400) }
            bench.engine.callerTokens.remove(id)
            let record = try await bench.drive(id, by: .seconds(10)) { $0.progress.awaitsAuthorization }
            let deadline = try #require(record.nextActionAt)
            #expect(deadline - begun >= .seconds(3600 + 380))
        }
    }

    /// Two answers far apart, because the budget had no place in between, are two answers in a row.
}
