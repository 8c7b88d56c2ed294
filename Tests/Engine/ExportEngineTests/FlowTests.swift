@testable import ExportEngine
import ExportLedger
import Exports
import Logging
import ManualClock
import MetricsTestKit
import ServiceLifecycle
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct FlowTests {
    @Test func exportLivesFromCreateToItsExpiry() async throws {
        let bench = try Bench { $0.downloadLifetime = .seconds(600) }
        bench.provider.set {
            $0.onObserve = { number in
                var running = Observation(.running, upstreamStatus: "Running")
                running.percentComplete = number * 30
                return number < 4 ? .success(running) : .success(.succeeded(files: 2))
            }
        }
        try await bench.running {
            let id = try await bench.create()
            let halfway = try await bench.drive(id) { $0.export.percentComplete == 60 }
            #expect(halfway.export.status == .running)
            let record = try await bench.drive(id)
            #expect(record.export.status == .succeeded)
            #expect(record.export.files.map(\.id) == ["1", "2"])
            #expect(record.export.upstream == UpstreamState(id: record.reference?.id, status: "Succeeded"))
            #expect(record.export.expiresAt == (record.export.completedAt ?? bench.time.now()) + .seconds(600))

            bench.time.advance(by: .seconds(600))
            let expired = try await bench.until(id) { $0.export.status == .expired }
            #expect(expired.export.files.count == 2)
            #expect(expired.export.revision == record.export.revision + 1)
        }
        #expect(bench.provider.count(.submit) == 1)
        #expect(bench.provider.count(.observe) == 4)
        let scripted = ("provider", "scripted")
        #expect(bench.counter("export_gateway_upstream_starts_total", [scripted, ("outcome", "started")]) == 1)
        #expect(bench.counter("export_gateway_upstream_polls_total", [scripted, ("outcome", "observed")]) == 4)
        #expect(bench.counter("export_gateway_exports_finished_total", [scripted, ("status", "succeeded")]) == 1)
        let gauge = try bench.metrics.expectMeter(
            "export_gateway_exports_unfinished",
            [scripted, ("connection", "main")]
        )
        #expect(gauge.lastValue == 0)
    }

    @Test func throttledStartWaitsAsTold() async throws {
        let bench = try Bench()
        bench.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.throttled, "Wait.", retryAfter: .seconds(120)) : nil }
        }
        try await bench.running {
            let id = try await bench.create()
            let waiting = try await bench.until(id) { $0.export.notice?.code == .upstreamThrottled }
            // Not before, and not all that were refused at once.
            let next = try #require(waiting.nextActionAt)
            #expect((bench.time.now() + .seconds(120)..<bench.time.now() + .seconds(135)).contains(next))
            let tracked = try await bench.drive(id) { $0.isTracked }
            #expect(tracked.progress.submissionAttempts == 2)
        }
        #expect(bench.provider.jobs.count == 1)
    }

    @Test func ambiguousStartIsFoundAgain() async throws {
        let bench = try Bench { $0.reconcile = true }
        bench.provider.set {
            $0.onSubmit = { _ in ProviderError(.ambiguous, "No answer.") }
            $0.failedSubmitStarts = true
            // The first attempt comes too early.
            $0.onReconcile = { $0 == 1 ? .success(nil) : nil }
        }
        let record = try await bench.running {
            let id = try await bench.create()
            return try await bench.drive(id) { $0.isTracked }
        }
        #expect(bench.provider.count(.submit) == 1)
        #expect(bench.provider.count(.reconcile) == 2)
        #expect(bench.provider.jobs.keys.first == record.reference?.id)
    }

    @Test func startThatIsNotListedIsMadeAgainWhereTheOperatorAcceptsDoubles() async throws {
        let bench = try Bench {
            $0.reconcile = true
            $0.resubmitIsHarmless = true
        }
        bench.provider.set { $0.onSubmit = { $0 == 1 ? ProviderError(.ambiguous, "No answer.") : nil } }
        _ = try await bench.running {
            let id = try await bench.create()
            return try await bench.drive(id) { $0.isTracked }
        }
        #expect(bench.provider.count(.submit) == 2)
        #expect(bench.provider.count(.reconcile) == 2)
        #expect(bench.provider.jobs.count == 1)
    }

    @Test func ambiguousStartWithoutReconcileIsUnknown() async throws {
        let bench = try Bench()
        bench.provider.set { $0.onSubmit = { _ in ProviderError(.ambiguous, "No answer.") } }
        let record = try await bench.running {
            let id = try await bench.create()
            return try await bench.until(id) { $0.isSettled }
        }
        #expect(record.export.status == .unknown)
        #expect(record.export.error?.code == .submissionUnconfirmed)
        #expect(bench.provider.count(.submit) == 1)
    }

    @Test func busyUpstreamIsAskedFourTimesInAll() async throws {
        let bench = try Bench()
        bench.provider.set {
            $0.onObserve = { _ in
                var busy = Observation(.failed, upstreamStatus: "Failed")
                busy.resubmitAfter = .seconds(7)
                return .success(busy)
            }
        }
        let record = try await bench.running {
            let id = try await bench.create()
            return try await bench.drive(id)
        }
        #expect(record.export.error?.code == .upstreamBusy)
        #expect(bench.provider.count(.submit) == 4)
        #expect(record.progress.resubmissions == 3)
    }

    @Test func exportsShareOneCallWhereTheProviderCan() async throws {
        let bench = try Bench { $0.batchObserve = true }
        let gate = Gate()
        bench.provider.set { $0.gates[.submit] = gate }
        try await bench.running {
            for _ in 0..<4 { _ = try await bench.create() }
            await bench.provider.made(.submit, atLeast: 4)
            gate.open()
            let all = try await bench.engine.exports(matching: ExportFilter(), for: .auditor(), before: nil, limit: 9)
                .exports
            for export in all { _ = try await bench.until(export.id) { $0.isTracked } }
            bench.time.advance(by: .seconds(5))
            await bench.provider.made(.observe, atLeast: 1)
        }
        #expect(bench.provider.state.withLock { $0.batches.first } == 4)
    }

    @Test func failedPollIsStaleAndThenNotAnyMore() async throws {
        let bench = try Bench()
        bench.provider.set {
            $0.onObserve = {
                $0 == 1
                    ? .failure(ProviderError(.transient, "Down."))
                    : .success(Observation(.running, upstreamStatus: "R"))
            }
        }
        try await bench.running {
            let id = try await bench.create()
            let stale = try await bench.drive(id) { $0.export.stale }
            #expect(stale.export.notice == ExportNotice(.upstreamUnavailable, "Down."))
            _ = try await bench.drive(id) { !$0.export.stale && $0.export.status == .running }
        }
    }

    @Test func gracefulShutdownLetsAStartBeStored() async throws {
        let bench = try Bench()
        let gate = Gate()
        bench.provider.set { $0.gates[.submit] = gate }
        let group = ServiceGroup(
            services: [bench.engine],
            gracefulShutdownSignals: [],
            logger: bench.engine.logger
        )
        let id = try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let id = try await bench.create()
            await bench.provider.made(.submit, atLeast: 1)
            await group.triggerGracefulShutdown()
            gate.open()
            try await tasks.waitForAll()
            return id
        }
        #expect(try await bench.record(id).phase == .tracking)
        #expect(bench.provider.count(.observe) == 0)
    }

    @Test func answerIsStoredThoughTheTaskIsCancelled() async throws {
        let bench = try Bench()
        bench.provider.set {
            $0.gates[.submit] = Gate()
            $0.answersAllTheSame = true
        }
        let id = try await bench.running {
            let id = try await bench.create()
            await bench.provider.made(.submit, atLeast: 1)
            return id
        }
        let record = try await bench.record(id)
        #expect(record.phase == .tracking)
        #expect(record.reference?.id == bench.provider.jobs.keys.first)
    }

    @Test func manyExportsAllComeToTheirEnd() async throws {
        let bench = try Bench()
        bench.provider.set {
            $0.onSubmit = { $0 % 7 == 0 ? ProviderError(.transient, "Down.") : nil }
            $0.onObserve = { number in
                switch number % 5 {
                case 0: .failure(ProviderError(.throttled, "Wait.", retryAfter: .seconds(3)))
                case 1: .success(Observation(.running, upstreamStatus: "Running"))
                default: .success(.succeeded())
                }
            }
        }
        try await bench.running {
            var ids: [ExportID] = []
            for _ in 0..<150 { ids.append(try await bench.create()) }
            for id in ids { #expect(try await bench.drive(id).export.status == .succeeded) }
            var done = ExportFilter()
            done.status = .succeeded
            let page = try await bench.engine.exports(matching: done, for: .auditor(), before: nil, limit: 200)
            #expect(page.exports.count == 150)
        }
        #expect(bench.provider.jobs.count == 150)
        #expect(Set(bench.provider.jobs.values.map(\.exportID)).count == 150)
    }

    @Test func cancellationEndsTheRunWhilePollsHang() async throws {
        let bench = try Bench()
        bench.provider.set { $0.gates[.observe] = Gate() }
        let id = try await bench.running {
            let id = try await bench.create()
            _ = try await bench.until(id) { $0.isTracked }
            bench.time.advance(by: .seconds(5))
            await bench.provider.made(.observe, atLeast: 1)
            return id
        }
        #expect(try await bench.record(id).export.stale == false)
    }
}
