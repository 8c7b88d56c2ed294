import TestLedger
@testable import ExportEngine
import ExportLedger
import Exports
import JSON
import ManualClock
import SystemCrypto
import Synchronization
import Testing

/// A kill at any instant loses nothing and doubles nothing.
@Suite(.timeLimit(.minutes(5))) struct CrashTests {
    struct Death: Sendable, CustomTestStringConvertible {
        var writes: Int
        var keepsLast: Bool
        var testDescription: String { "after \(writes) writes\(keepsLast ? ", the last one kept" : "")" }

        /// Life takes an insertion and some updates: 0 dies in create, the last ones not at all.
        static let all = (0..<7).flatMap { [Death(writes: $0, keepsLast: false), Death(writes: $0, keepsLast: true)] }
    }

    private static let settings: EngineSettings = {
        var settings = EngineSettings()
        settings.reconcileDeadline = .seconds(60)
        return settings
    }()

    /// Runs a create and all that follows in a process that dies, then in one that does not. The client repeats its
    /// create with the same key, as it should after a call that failed.
    private func liveThrough(
        _ death: Death,
        onObserve: @escaping @Sendable (Int) -> ScriptedProvider.Answer<Observation> = {
            $0 < 2 ? .success(Observation(.running, upstreamStatus: "Running")) : .success(.succeeded())
        },
        _ declare: (inout ProviderCapabilities) -> Void
    ) async throws -> (LedgerRecord, ScriptedProvider) {
        let ledger = try SQLiteLedger.temporary()
        let dying = DyingLedger(ledger, after: death.writes, keepsLast: death.keepsLast)
        let first = try Bench(settings: Self.settings, ledger: dying, declare)
        first.provider.set { $0.onObserve = onObserve }
        let draft = first.draft(key: Idempotency(key: "k", fingerprint: "f"))
        // A ledger that fails at the very beginning ends the run with its error, as it should.
        _ = try? await first.running {
            let id = try await first.engine.create(draft, for: .owner()).export.id
            // Ends with the ledger's error when the process has died.
            _ = try await first.drive(id)
        }

        let second = try first.restarted(on: ledger)
        return try await second.running {
            let id = try await second.engine.create(draft, for: .owner()).export.id
            return (try await second.drive(id), second.provider)
        }
    }

    @Test(arguments: Death.all)
    func jobThatCanBeFoundRunsOnce(death: Death) async throws {
        let (record, provider) = try await liveThrough(death) { $0.reconcile = true }
        expectOnce(record, provider)
    }

    /// The job ran once; or the process died between storing that it is about to be started and starting it, which
    /// cannot be told from a death after that: then it is not started by a guess.
    private func expectOnce(_ record: LedgerRecord, _ provider: ScriptedProvider) {
        if record.export.status == .succeeded {
            #expect(provider.jobs.values.map(\.exportID) == [record.export.id])
        } else {
            #expect(provider.jobs.isEmpty)
            #expect(record.export.status == .unknown)
            #expect(record.export.error?.code == .submissionUnconfirmed)
        }
    }

    @Test(arguments: Death.all)
    func jobThatCannotBeFoundRunsAtMostOnce(death: Death) async throws {
        let (record, provider) = try await liveThrough(death) { _ in }
        #expect(provider.jobs.count <= 1)
        if record.export.status != .succeeded {
            #expect(record.export.status == .unknown)
            #expect(record.export.error?.code == .submissionUnconfirmed)
        } else {
            #expect(provider.jobs.count == 1)
        }
    }

    @Test(arguments: Death.all)
    func harmlessJobAlwaysSucceeds(death: Death) async throws {
        let (record, _) = try await liveThrough(death) { $0.resubmitIsHarmless = true }
        #expect(record.export.status == .succeeded)
    }

    /// The first job does not end and is replaced, and the process dies at any instant of that. No start is repeated whose outcome
    /// is not known: there are never more jobs than may be, and the record names one that is there, or that none is known.
    @Test(arguments: (0..<12).flatMap { [Death(writes: $0, keepsLast: false), Death(writes: $0, keepsLast: true)] })
    func replacedJobIsAccountedFor(death: Death) async throws {
        let (record, provider) = try await liveThrough(death, onObserve: Self.runningUntilTheFourth) { _ in }
        let jobs = provider.jobs
        #expect(jobs.count <= 2)
        #expect(jobs.count == provider.count(.submit))
        if record.export.status == .succeeded {
            let id = try #require(record.reference?.id)
            #expect(jobs[id]?.exportID == record.export.id)
            #expect(jobs.count == record.progress.resubmissions + 1)
        } else {
            #expect(record.export.status == .unknown)
            #expect(record.export.error?.code == .submissionUnconfirmed)
            #expect(jobs.count <= record.progress.resubmissions + 1)
        }
    }

    private static let runningUntilTheFourth: @Sendable (Int) -> ScriptedProvider.Answer<Observation> = {
        guard $0 < 4 else { return .success(.succeeded()) }
        var observation = Observation(.running, upstreamStatus: "Running")
        observation.replacement = JobReplacement(age: .seconds(10), mostJobs: 2)
        return .success(observation)
    }

    /// A user's export, whose refresh token is kept: after the kill nobody brings the user's token but where there is no
    /// other way.
    @Test(arguments: Death.all + [7, 8].map { Death(writes: $0, keepsLast: false) })
    func jobOfAUserRunsOnce(death: Death) async throws {
        let ledger = try SQLiteLedger.temporary()
        let dying = DyingLedger(ledger, after: death.writes, keepsLast: death.keepsLast)
        let first = try Bench(settings: Self.settings, ledger: dying, sealingKeys: .testing("a")) {
            $0.delegatedOnly = true
            $0.reconcile = true
        }
        first.provider.set {
            $0.onCall = { _, context in
                if context.authorization != nil { await context.refreshToken?.keep(Secret("refresh-1")) }
            }
            $0.onObserve = {
                $0 < 3 ? .success(Observation(.running, upstreamStatus: "Running")) : .success(.succeeded())
            }
        }
        let key = Idempotency(key: "k", fingerprint: "f")
        let draft = first.draft(key: key)
        _ = try? await first.running {
            let id = try await first.engine.create(draft, for: .owner("t")).export.id
            // Ends with the ledger's error when the process has died.
            _ = try await first.drive(id)
        }

        let second = try first.restarted(on: ledger)
        let since = Timestamp(milliseconds: 0)
        let record = try await second.running {
            let known = try await ledger.claimed(key, by: "alice", claimsSince: since)
            var id: ExportID?
            if case .replayed(let record) = known { id = record.export.id }
            if id == nil { id = try await second.engine.create(draft, for: .owner("t")).export.id }
            let created = try #require(id)
            let record = try await second.drive(created) { $0.isSettled || $0.progress.awaitsAuthorization }
            if record.isSettled { return record }
            #expect(try await ledger.refreshToken(of: created) == nil)
            // Answered with what comes of it, which may take the time that the drive lets pass.
            async let asked = second.engine.export(created, for: .owner("t"), refresh: false)
            let settled = try await second.drive(created)
            _ = try await asked
            return settled
        }
        expectOnce(record, first.provider)
        #expect(try await ledger.refreshTokens(after: nil, limit: 1).isEmpty)
    }

    @Test func killDuringTheCallThatStarts() async throws {
        let first = try Bench { $0.reconcile = true }
        let gate = Gate()
        first.provider.set { $0.gates[.submit] = gate }
        let id = try await first.running {
            let id = try await first.create()
            await first.provider.made(.submit, atLeast: 1)
            return id
        }
        #expect(try await first.record(id).phase == .submitting)

        first.provider.set {
            $0.gates = [:]
            $0.onObserve = { _ in .success(.succeeded()) }
        }
        let second = try first.restarted()
        let record = try await second.running { try await second.drive(id) }
        #expect(record.export.status == .succeeded)
        #expect(first.provider.count(.submit) == 1)
        #expect(first.provider.count(.reconcile) == 1)
    }

    @Test func frozenProcessThatWakesUpChangesNothing() async throws {
        let first = try Bench { $0.reconcile = true }
        let gate = Gate()
        first.provider.set { $0.gates[.submit] = gate }
        try await first.running {
            let id = try await first.create()
            await first.provider.made(.submit, atLeast: 1)
            first.provider.set {
                $0.gates = [:]
                $0.onObserve = { _ in .success(.succeeded()) }
            }
            let second = try first.restarted()
            let settled = try await second.running {
                // The first engine's maintenance sleeps on the same clock.
                try await second.drive(id)
            }
            #expect(settled.export.status == .succeeded)
            gate.open()
            // The stale answer has been dropped once the first connection worker has let go of the export.
            await first.letGo(of: id)
            #expect(try await first.record(id) == settled)
        }
    }

    @Test func cancelSurvivesACrash() async throws {
        let first = try Bench {
            $0.reconcile = true
            $0.cancel = true
        }
        let gate = Gate()
        first.provider.set { $0.gates[.submit] = gate }
        let id = try await first.running {
            let id = try await first.create()
            await first.provider.made(.submit, atLeast: 1)
            let export = try await first.engine.cancel(id, for: .owner())
            #expect(export.cancellation == .requested)
            return id
        }
        first.provider.set { $0.gates = [:] }
        let second = try first.restarted()
        let record = try await second.running { try await second.drive(id) }
        #expect(record.export.status == .canceled)
        #expect(record.export.cancellation == .confirmed)
        #expect(first.provider.count(.cancel) == 1)
    }

    @Test func secretThatIsLostBeforeTheStartEndsTheExport() async throws {
        let first = try Bench { $0.reconcile = true }
        let id = try await first.create(["secret": "sas"])
        let second = try first.restarted()
        let record = try await second.running { try await second.drive(id) }
        #expect(record.export.error?.code == .secretLost)
        #expect(first.provider.count(.submit) == 0)
    }

    @Test func jobThatWasStartedWithItsSecretGoesOn() async throws {
        let first = try Bench { $0.reconcile = true }
        let gate = Gate()
        first.provider.set { $0.gates[.submit] = gate }
        let id = try await first.running {
            let id = try await first.create(["secret": "sas"])
            await first.provider.made(.submit, atLeast: 1)
            return id
        }
        #expect(first.provider.state.withLock { $0.secrets } == [["/secret": Secret("sas")]])
        first.provider.set {
            $0.gates = [:]
            $0.onObserve = { _ in .success(.succeeded()) }
        }
        let second = try first.restarted()
        let record = try await second.running { try await second.drive(id) }
        #expect(record.export.status == .succeeded)
    }

    @Test func secretsAreNowhereInTheLedger() async throws {
        let bench = try Bench()
        let id = try await bench.create(["secret": "hush-hush"], token: "tok-tok")
        let record = try await bench.record(id)
        #expect(!"\(record)".contains("hush-hush"))
        #expect(!"\(record)".contains("tok-tok"))
    }

    @Test func exportOfAMissingConnectionWaits() async throws {
        let first = try Bench()
        let id = try await first.running {
            let id = try await first.create()
            return try await first.until(id) { $0.isTracked }.export.id
        }
        try await first.runWithoutConnection(until: id)
        first.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        let again = try first.restarted()
        #expect(try await again.running { try await again.drive(id) }.export.status == .succeeded)
    }
}
