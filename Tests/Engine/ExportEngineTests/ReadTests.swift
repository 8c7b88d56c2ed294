import TestSupport
@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Testing

@Suite(.timeLimit(.minutes(5))) struct ReadTests {
    @Test func unknownExportIsNotFound() async throws {
        let bench = try Bench()
        let id = bench.engine.random.newID(at: bench.time.now())
        for call in [
            { try await bench.engine.export(id, for: .owner(), refresh: true) },
            { try await bench.engine.export(id, for: .owner(), changedFrom: 1, within: .seconds(9)) },
            { try await bench.engine.cancel(id, for: .owner()) },
        ] as [@Sendable () async throws -> Export] {
            let error = await #expect(throws: GatewayError.self) { try await call() }
            #expect(error?.code == .notFound)
        }
    }

    @Test func aThousandWhoRefreshShareOneCall() async throws {
        let bench = try Bench()
        let gate = Gate()
        bench.provider.set {
            $0.gates[.observe] = gate
            $0.onObserve = { number in
                var observation = Observation(.running, upstreamStatus: "Running")
                observation.percentComplete = number
                return .success(observation)
            }
        }
        try await bench.running {
            let id = try await bench.create()
            _ = try await bench.until(id) { $0.isTracked }
            let worker = try #require(bench.engine.workers.values.first)
            try await withThrowingTaskGroup(of: Export.self) { group in
                for _ in 0..<1000 {
                    group.addTask { try await bench.engine.export(id, for: .owner(), refresh: true) }
                }
                // Each of them waits for the answer.
                try await eventually { worker.refresherCount(of: id) == 1000 }
                gate.open()
                for try await export in group { #expect(export.percentComplete == 1) }
            }
            #expect(bench.provider.count(.observe) == 1)

            // Within the poll interval nobody is asked; after it, once more.
            _ = try await bench.engine.export(id, for: .owner(), refresh: true)
            #expect(bench.provider.count(.observe) == 1)
            bench.time.advance(by: .seconds(5))
            let later = try await bench.engine.export(id, for: .owner(), refresh: true)
            #expect(later.percentComplete == 2)
        }
    }

    @Test func failedRefreshIsStaleAndNoError() async throws {
        let bench = try Bench()
        bench.provider.set { $0.onObserve = { _ in .failure(ProviderError(.transient, "Down.")) } }
        try await bench.running {
            let id = try await bench.create()
            _ = try await bench.until(id) { $0.isTracked }
            let export = try await bench.engine.export(id, for: .owner(), refresh: true)
            #expect(export.stale)
            #expect(export.notice?.code == .upstreamUnavailable)
        }
    }

    @Test func refreshWithoutAnyoneToAskReturnsWhatIsKnown() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        #expect(try await bench.engine.export(id, for: .owner(), refresh: true).status == .notStarted)
    }

    @Test func waitEndsWithAChange() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        try await withThrowingTaskGroup(of: Export.self) { group in
            group.addTask { try await bench.engine.export(id, for: .owner(), changedFrom: 1, within: .seconds(60)) }
            await bench.time.deadlines(atLeast: 1)
            let changed = try await bench.running { try await group.next() }
            #expect((changed?.revision ?? 0) > 1)
        }
    }

    @Test func waitReturnsAtOnceForAnotherRevision() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        #expect(try await bench.engine.export(id, for: .owner(), changedFrom: 0, within: .seconds(60)).revision == 1)
    }

    @Test func waitEndsWithItsTime() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        async let export = bench.engine.export(id, for: .owner(), changedFrom: 1, within: .seconds(60))
        await bench.time.deadlines(atLeast: 1)
        bench.time.advance(by: .seconds(60))
        let outcome = try await export
        #expect(outcome.revision == 1)
    }

    @Test func waitEndsWhenTheEngineStops() async throws {
        let bench = try Bench()
        let gate = Gate()
        bench.provider.set { $0.gates[.submit] = gate }
        try await withThrowingTaskGroup(of: Export.self) { group in
            try await bench.running {
                let id = try await bench.create()
                await bench.provider.made(.submit, atLeast: 1)
                let deadlines = bench.time.deadlineCount
                group.addTask { try await bench.engine.export(id, for: .owner(), changedFrom: 1, within: .seconds(60)) }
                await bench.time.deadlines(atLeast: deadlines + 1)
            }
            #expect(try await group.next()?.revision == 1)
        }
    }

    @Test func waitIsNotHeldByACancelledTask() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                _ = try? await bench.engine.export(id, for: .owner(), changedFrom: 1, within: .seconds(60))
            }
            await bench.time.deadlines(atLeast: 1)
            group.cancelAll()
            await group.waitForAll()
        }
        #expect(bench.time.deadlineCount == 0)
    }
}
