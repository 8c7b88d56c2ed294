@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Testing

/// Unconfirmed starts in a running engine: what callers and operators bring about.
@Suite(.timeLimit(.minutes(5))) struct DecisionTests {
    private func bench(_ declare: (inout ProviderCapabilities) -> Void = { $0.reconcile = true }) throws -> Bench {
        let bench = try Bench(declare)
        bench.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.ambiguous, "No answer.") : nil }
            $0.failedSubmitStarts = true
            $0.onReconcile = { $0 == 1 ? .success(nil) : nil }
        }
        return bench
    }

    private func decide(
        _ bench: Bench,
        _ id: ExportID,
        _ decision: SubmissionDecision,
        revision: Int64? = nil
    ) async throws -> Export {
        try await bench.engine.resolve(id, for: .auditor(), as: decision, revision: revision)
    }

    private func refusal(_ bench: Bench, _ id: ExportID, _ decision: SubmissionDecision) async -> ProblemCode? {
        await #expect(throws: GatewayError.self) { try await decide(bench, id, decision) }?.code
    }

    @Test func itIsLookedForWhenSomebodyAsks() async throws {
        let bench = try bench()
        try await bench.running {
            let id = try await bench.create()
            let waiting = try await bench.drive(id) { $0.progress.reconcileMisses == 1 }
            #expect(waiting.export.status == .unknown)
            #expect(waiting.export.notice?.code == .submissionUnconfirmed)
            // A moment after an attempt there is no other.
            _ = try await bench.engine.export(id, for: .owner(), refresh: true)
            #expect(bench.provider.count(.reconcile) == 1)
            bench.time.advance(by: .seconds(11))
            let export = try await bench.engine.export(id, for: .owner(), refresh: true)
            #expect(export.upstream?.id == bench.provider.jobs.keys.first)
            #expect(bench.provider.count(.reconcile) == 2)
        }
    }

    @Test func itGoesOnAsTheOperatorSays() async throws {
        let bench = try bench { _ in }
        bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        try await bench.running {
            let id = try await bench.create()
            let over = try await bench.until(id) { $0.isSettled }
            #expect(over.export.status == .unknown)
            let job = try #require(bench.provider.jobs.keys.first)
            #expect(await refusal(bench, id, .started(upstreamID: "nonsense")) == .invalidExport)
            await #expect(throws: GatewayError.self) { try await decide(bench, id, .abandoned, revision: 99) }
            let started = try await decide(bench, id, .started(upstreamID: job), revision: over.export.revision)
            #expect(started.status == .succeeded)
            // The same once more changes nothing, another one is too late.
            #expect(try await decide(bench, id, .started(upstreamID: job)) == started)
            #expect(await refusal(bench, id, .notStarted) == .submissionKnown)

            bench.provider.set { $0.onSubmit = { $0 == 2 ? ProviderError(.ambiguous, "No answer.") : nil } }
            let other = try await bench.create()
            _ = try await bench.until(other) { $0.isSettled }
            #expect(await refusal(bench, other, .started(upstreamID: job)) == .upstreamIDInUse)
            // The same id, written in another way.
            #expect(await refusal(bench, other, .started(upstreamID: job + ".")) == .upstreamIDInUse)
            let again = try await decide(bench, other, .notStarted)
            #expect(again.status == .notStarted && again.completedAt == nil && again.tracking == .background)
            _ = try await bench.until(other) { $0.isTracked || $0.isSettled }
            #expect(bench.provider.count(.submit) == 3)
        }
    }

    @Test func anIdThatTheUpstreamDoesNotKnowIsRefused() async throws {
        let bench = try bench { _ in }
        bench.provider.set { $0.onObserve = { _ in .failure(ProviderError(.notFound, "No such job.")) } }
        try await bench.running {
            let id = try await bench.create()
            _ = try await bench.until(id) { $0.isSettled }
            #expect(await refusal(bench, id, .started(upstreamID: "job-9")) == .invalidExport)
            #expect(try await bench.record(id).startIsUnconfirmed)
            #expect(try await decide(bench, id, .abandoned).status == .canceled)
        }
    }

    @Test func aJobIsOneExportsWhateverTheUpstreamAnswers() async throws {
        let bench = try bench()
        bench.provider.set {
            $0.failedSubmitStarts = false
            $0.onSubmit = { _ in ProviderError(.ambiguous, "No answer.") }
            $0.onReconcile = { _ in .success(Submission(reference: UpstreamReference(id: "job-1"))) }
        }
        try await bench.running {
            let first = try await bench.create()
            _ = try await bench.drive(first) { $0.isTracked }
            let second = try await bench.create()
            let waiting = try await bench.drive(second) { $0.progress.reconcileMisses > 0 }
            #expect(waiting.reference == nil)
            #expect(waiting.export.status == .unknown)
        }
    }

    @Test func aStartThatWaitedForItsTurnWasNotMade() async throws {
        let bench = try bench()
        let busy = ProviderError(.throttled, "The budget is used up.", retryAfter: .seconds(9))
        bench.provider.set { $0.onSubmit = { _ in busy } }
        let id = try await bench.running {
            let id = try await bench.create()
            return try await bench.until(id) { $0.export.notice?.code == .upstreamThrottled }.export.id
        }
        #expect(try await bench.record(id).phase == .accepted)
    }

    @Test func aClockThatIsSetBackHasEverythingLookedAt() {
        let start = Timestamp(milliseconds: 1_780_000_000_000)
        var generator = SystemRandomNumberGenerator()
        let id = ExportID(at: start, random: &generator)
        var state = ConnectionWorkerState(observesInBatches: false, callsAtOnce: 4)
        state.startRunning()
        state.adopt(id, of: "alice", fence: 1, kind: .observation, at: start + .seconds(86_405))
        #expect(state.takeWork(at: start + .seconds(86_400)).work.isEmpty)
        #expect(state.takeWork(at: start + .seconds(5)).work.observations == [[id]])
    }
}
