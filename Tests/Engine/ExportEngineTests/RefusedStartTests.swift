import ExportLedger
import Exports
import JSON
import Synchronization
import Testing
import TestSupport

@testable import ExportEngine

/// A start whose token is refused, and which is made again with another one: nothing has begun meanwhile.
@Suite(.timeLimit(.minutes(2))) struct RefusedStartTests {
    /// A bench whose first start is refused and waits; `meanwhile` is done then.
    private func bench(
        ledger: (any ExportLedger)? = nil,
        _ meanwhile: @escaping @Sendable (Bench, CallContext) async -> Void
    ) throws -> Bench {
        let bench = try Bench(ledger: ledger)
        let calls = Mutex(0)
        bench.provider.set {
            $0.onCall = { call, context in
                guard call == .submit,
                    calls.withLock({
                        $0 += 1
                        return $0
                    }) == 1
                else { return }
                await meanwhile(bench, context)
            }
        }
        return bench
    }

    @Test func theLedgerSaysThatNothingHasBegun() async throws {
        let seen = Mutex<[LedgerRecord]>([])
        let bench = try bench { bench, context in
            guard case .export(let id) = context.work else { return }
            try? await context.willStart?()
            if let record = try? await bench.record(id) { seen.withLock { $0.append(record) } }
            await context.didNotStart?()
            if let record = try? await bench.record(id) { seen.withLock { $0.append(record) } }
            try? await context.willStart?()
            if let record = try? await bench.record(id) { seen.withLock { $0.append(record) } }
        }
        try await bench.running {
            let id = try await bench.create()
            let record = try await bench.until(id) { $0.isTracked }
            #expect(record.progress.submissionAttempts == 1)
        }
        let records = seen.withLock { $0 }
        #expect(records.map(\.phase) == [.submitting, .accepted, .submitting])
        #expect(records.map(\.progress.submissionAttempts) == [1, 0, 1])
        #expect(records[1].submittingSince == nil && records[1].nextActionAt != nil)
        #expect(Set(records.map(\.export.revision)).count == 1)
    }

    @Test("fault C2: a gateway that ends while a refused start waits knows that it did not start it")
    func anEndInBetweenIsNoUnconfirmedStart() async throws {
        let waits = Signal()
        let bench = try bench { _, context in
            await context.didNotStart?()
            waits.fire()
            // For ever, but for the end.
            try? await Task.sleep(for: .seconds(3600))
        }
        bench.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.transient, "It was given up.", cause: CancellationError()) : nil }
        }
        let id = try await bench.running {
            let id = try await bench.create()
            await waits.wait()
            #expect(try await bench.record(id).phase == .accepted)
            return id
        }
        let second = try bench.restarted()
        try await second.running {
            let record = try await second.drive(id) { $0.phase != .accepted && $0.phase != .submitting }
            #expect(record.isTracked && record.export.notice == nil)
        }
        #expect(bench.provider.count(.submit) == 2 && bench.provider.jobs.count == 1)
    }

    /// The ledger says that the write has failed, and it is there all the same: what is in the file is written once more before the
    /// second call, so that a kill behind it leaves no start of which the ledger knows nothing.
    @Test("fault C2: a refused start is begun again where it is not known whether it was taken back")
    func aWriteThatMayHaveFailedIsMadeAgain() async throws {
        let ledger = try StagedLedger()
        let phases = Mutex<[LedgerRecord.Phase]>([])
        let bench = try bench(ledger: ledger) { bench, context in
            guard case .export(let id) = context.work else { return }
            try? await context.willStart?()
            ledger.set { $0.afterUpdate = { _ in throw StagedLedger.failure } }
            await context.didNotStart?()
            ledger.set { $0.afterUpdate = { _ in } }
            if let record = try? await bench.record(id) { phases.withLock { $0.append(record.phase) } }
            try? await context.willStart?()
            if let record = try? await bench.record(id) { phases.withLock { $0.append(record.phase) } }
        }
        try await bench.running {
            let id = try await bench.create()
            _ = try await bench.until(id) { $0.isTracked }
        }
        #expect(phases.withLock { $0 } == [.accepted, .submitting])
        #expect(bench.provider.jobs.count == 1)
    }

    /// Nothing is called then, and the start comes to another one.
    @Test func whereTheLedgerStillFailsTheCallIsNotMade() async throws {
        let ledger = try StagedLedger()
        let refusals = Mutex(0)
        let bench = try bench(ledger: ledger) { _, context in
            try? await context.willStart?()
            ledger.set { $0.afterUpdate = { _ in throw StagedLedger.failure } }
            await context.didNotStart?()
            do {
                try await context.willStart?()
                Issue.record("it begins")
            } catch {
                refusals.withLock { $0 += 1 }
            }
            ledger.set { $0.afterUpdate = { _ in } }
        }
        bench.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.transient, "The gateway did not make the call.") : nil }
        }
        try await bench.running {
            let id = try await bench.create()
            let record = try await bench.drive(id) { $0.isTracked || $0.isSettled }
            #expect(record.isTracked && record.export.notice == nil)
        }
        #expect(refusals.withLock { $0 } == 1 && bench.provider.jobs.count == 1)
    }

    /// The signal to end comes while the call is under way: it is carried out, but what comes of it is not waited for here.
    @Test func whatWaitsAgainWhenTheGatewayEndsIsGivenUp() async throws {
        let (isUnderWay, isStopped) = (Signal(), Signal())
        let bench = try bench { _, context in
            isUnderWay.fire()
            await isStopped.wait()
            await context.didNotStart?()
            try? await Task.sleep(for: .seconds(3600))
        }
        bench.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.transient, "It was given up.", cause: CancellationError()) : nil }
        }
        let id = try await bench.create()
        let worker = try #require(bench.engine.workers.values.first)
        worker.adopt(try await bench.record(id))
        let run = Task { await worker.run() }
        await isUnderWay.wait()
        worker.stop()
        isStopped.fire()
        await run.value
        #expect(try await bench.record(id).phase == .accepted)
    }

    @Test func whoIsCanceledMeanwhileIsNotStarted() async throws {
        let bench = try bench { bench, context in
            guard case .export(let id) = context.work else { return }
            await context.didNotStart?()
            _ = try? await bench.engine.cancel(id, for: .owner())
            do {
                try await context.willStart?()
                Issue.record("it begins")
            } catch {}
        }
        bench.provider.set { $0.onSubmit = { _ in ProviderError(.transient, "The gateway did not make the call.") } }
        try await bench.running {
            let id = try await bench.create()
            let record = try await bench.until(id) { $0.isSettled }
            #expect(record.export.status == .canceled && record.export.cancellation == .confirmed)
        }
        #expect(bench.provider.jobs.isEmpty)
    }

    @Test func anUnconfirmedStartIsNotTakenBack() {
        let life = ExportLife(
            capabilities: { () -> ProviderCapabilities in
                var capabilities = ProviderCapabilities(minimumPollInterval: .seconds(5))
                capabilities.reconcile = true
                return capabilities
            }(),
            settings: EngineSettings()
        )
        let now = Timestamp(milliseconds: 1_780_000_000_000)
        var generator = SeededRandom(seed: 3)
        var record = LedgerRecord(
            export: Export(
                id: ExportID(at: now, random: &generator),
                provider: ProviderID("scripted"),
                connection: "main",
                name: "n",
                createdAt: now,
                createdBy: "alice",
                source: [:]
            ),
            plan: ExportPlan(source: [:], suggestedName: "n")
        )
        life.apply(.submissionBegins(secretsInMemory: false), to: &record, at: now, jitter: 0)
        life.apply(.submissionFailed(ProviderError(.ambiguous, "504")), to: &record, at: now, jitter: 0)
        let before = record
        life.apply(.startRefused, to: &record, at: now, jitter: 0)
        #expect(record == before && record.phase == .submitting)
    }
}
