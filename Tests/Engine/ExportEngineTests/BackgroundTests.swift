import TestSupport
@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Synchronization
import SystemCrypto
import Testing

/// Exports of users that go on without them, with the refresh token that is kept.
@Suite(.timeLimit(.minutes(5))) struct BackgroundTests {
    /// A bench whose calls with a user's token are given the refresh token `1`, as the tokens' source does it.
    private func bench(
        ledger: (any ExportLedger)? = nil,
        _ declare: (inout ProviderCapabilities) -> Void = { _ in }
    ) throws -> Bench {
        let bench = try Bench(ledger: ledger, sealingKeys: .testing("a")) {
            $0.delegatedOnly = true
            declare(&$0)
        }
        bench.provider.set {
            $0.onCall = { _, context in
                if context.authorization != nil { await context.refreshToken?.keep(Secret("1")) }
            }
        }
        return bench
    }

    private func tracked(_ bench: Bench) async throws -> ExportID {
        try await bench.running {
            let id = try await bench.create(token: "t")
            return try await bench.until(id) { $0.isTracked }.export.id
        }
    }

    private func calls(_ bench: Bench) -> (tokens: [Secret?], refreshTokens: [Secret?], stores: [ExportID?]) {
        bench.provider.state.withLock { ($0.tokens, $0.refreshTokens, $0.stores) }
    }

    @Test func goesOnAfterARestartAndLeavesNothingBehind() async throws {
        let first = try bench()
        let id = try await tracked(first)
        #expect(try await first.ledger.refreshToken(of: id) != nil)
        first.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        let second = try first.restarted()
        let record = try await second.running { try await second.drive(id) }
        #expect(record.export.status == .succeeded)
        #expect(calls(first).tokens == [Secret("t"), nil])
        #expect(calls(first).refreshTokens == [nil, Secret("1")])
        #expect(calls(first).stores == [id, id])
        #expect(try await first.ledger.refreshToken(of: id) == nil)
        #expect(await second.engine.refreshTokens.store(for: record.export)?.token() == nil)
    }

    @Test func isStartedInTheBackground() async throws {
        let first = try bench()
        first.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.throttled, "Wait.", retryAfter: .seconds(60)) : nil }
        }
        let id = try await first.running {
            let id = try await first.create(token: "t")
            return try await first.until(id) { $0.export.notice?.code == .upstreamThrottled }.export.id
        }
        let second = try first.restarted()
        try await second.running { _ = try await second.drive(id) { $0.isTracked } }
        #expect(calls(first).tokens.prefix(2) == [Secret("t"), nil])
        #expect(calls(first).refreshTokens.prefix(2) == [nil, Secret("1")])
        #expect(first.provider.jobs.count == 1)
    }

    @Test func isLookedForInTheBackground() async throws {
        let first = try bench { $0.reconcile = true }
        first.provider.set { $0.gates[.submit] = Gate() }
        // Ended while the token is written or the start is made: both are seen to their end.
        let id = try await first.running {
            let id = try await first.create(token: "t")
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
        #expect(first.provider.jobs.count == 1)
        #expect(calls(first).tokens == [Secret("t"), nil, nil])
        #expect(calls(first).refreshTokens == [nil, Secret("1"), Secret("1")])
    }

    @Test func isCanceledInTheBackground() async throws {
        let first = try bench { $0.cancel = true }
        let id = try await tracked(first)
        let second = try first.restarted()
        try await second.running {
            let export = try await second.engine.cancel(id, for: .owner())
            #expect(export.cancellation == .confirmed)
        }
        #expect(calls(first).refreshTokens == [nil, Secret("1")])
        #expect(try await first.ledger.refreshToken(of: id) == nil)
    }

    @Test func waitsForItsCallerWhereNothingIsKept() async throws {
        let first = try bench()
        first.provider.set { $0.onCall = { _, _ in } }
        let id = try await tracked(first)
        let second = try first.restarted()
        try await second.running {
            let held = try await second.drive(id) { $0.progress.awaitsAuthorization }
            #expect(held.export.notice?.code == .upstreamAuthorizationRequired)
        }
        #expect(first.provider.count(.observe) == 0)
    }

    @Test func waitsForItsCallerWhenTheKeptOneIsRefused() async throws {
        let first = try bench { $0.cancel = true }
        let id = try await tracked(first)
        first.provider.set {
            $0.onCall = { _, context in
                if context.authorization != nil { return await context.refreshToken?.keep(Secret("2")) ?? () }
                if let token = await context.refreshToken?.token() { await context.refreshToken?.remove(token) }
            }
            $0.onObserve = {
                $0 == 1
                    ? .failure(ProviderError(.unauthenticated, "Revoked.", problem: .upstreamAuthorizationRequired))
                    : .success(.succeeded())
            }
        }
        let second = try first.restarted()
        try await second.running {
            let held = try await second.drive(id) { $0.progress.awaitsAuthorization }
            #expect(held.export.notice?.code == .upstreamAuthorizationRequired)
            #expect(try await first.ledger.refreshToken(of: id) == nil)
            let error = await #expect(throws: GatewayError.self) {
                try await second.engine.cancel(id, for: .owner())
            }
            #expect(error?.code == .upstreamAuthorizationRequired)
            _ = try await second.engine.export(id, for: .owner("new"), refresh: false)
            let record = try await second.until(id) { $0.isSettled }
            #expect(record.export.status == .succeeded)
        }
        #expect(calls(first).tokens == [Secret("t"), nil, Secret("new")])
    }

    @Test func aChallengeWaitsForItsCallerAndLosesNothing() async throws {
        let first = try bench { $0.cancel = true }
        let id = try await tracked(first)
        first.provider.set {
            $0.onObserve = { _ in
                .failure(
                    ProviderError(
                        .unauthenticated,
                        "More.",
                        problem: .upstreamClaimsRequired,
                        challenge: ClaimsChallenge(claims: "{}", authorizationURI: "https://login.example/a")
                    )
                )
            }
        }
        let second = try first.restarted()
        try await second.running {
            let held = try await second.drive(id) { $0.progress.awaitsAuthorization }
            #expect(held.export.notice?.code == .upstreamClaimsRequired)
            // What was not good enough for a poll is not for a cancellation either.
            await #expect(throws: GatewayError.self) { try await second.engine.cancel(id, for: .owner()) }
        }
        #expect(try await first.ledger.refreshToken(of: id) != nil)
        #expect(first.provider.count(.observe) == 1)
    }

    @Test func servesNobodysRequest() async throws {
        let first = try bench()
        let id = try await tracked(first)
        let second = try first.restarted()
        try await second.running {
            await second.idle()
            let known = try await second.engine.export(id, for: .owner(), refresh: true)
            #expect(known.observedAt == nil)
            #expect(first.provider.count(.observe) == 0)
            first.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
            let asked = try await second.engine.export(id, for: .owner("own"), refresh: true)
            #expect(asked.status == .succeeded)
            _ = try await second.engine.open("1", of: id, for: .owner(), range: nil)
        }
        #expect(calls(first).tokens == [Secret("t"), Secret("own"), Secret("own")])
        #expect(calls(first).stores == [id, id, nil])
    }

    @Test func aDownloadNeedsItsCaller() async throws {
        let first = try bench()
        let id = try await tracked(first)
        first.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        let second = try first.restarted()
        try await second.running {
            _ = try await second.drive(id)
            let error = await #expect(throws: GatewayError.self) {
                try await second.engine.open("1", of: id, for: .owner(), range: nil)
            }
            #expect(error?.code == .upstreamAuthorizationRequired)
        }
        #expect(first.provider.count(.open) == 0)
    }

    @Test func everyExportIsPolledWithItsOwn() async throws {
        let bench = try bench { $0.batchObserve = true }
        try await bench.running {
            let ids = [try await bench.create(token: "t"), try await bench.create(token: "t")]
            for id in ids { _ = try await bench.until(id) { $0.isTracked } }
            bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
            for id in ids { _ = try await bench.drive(id) }
            #expect(Set(calls(bench).stores.suffix(2)) == Set(ids))
        }
        #expect(bench.provider.state.withLock { $0.batches } == [1, 1])
    }

    @Test func anEndWhileTheTokenIsWrittenLeavesNothing() async throws {
        let ledger = try StagedLedger()
        let bench = try bench(ledger: ledger)
        bench.provider.set {
            $0.onCall = { call, context in
                if call == .observe { await context.refreshToken?.keep(Secret("late")) }
            }
        }
        let gate = Gate()
        try await bench.running {
            let id = try await bench.create(token: "t")
            _ = try await bench.until(id) { $0.isTracked }
            ledger.set { $0.beforeWrite = { await gate.pass() } }
            await bench.idle()
            bench.time.advance(by: .seconds(5))
            await ledger.tokenWrites.reach(1)
            let export = try await bench.engine.cancel(id, for: .owner())
            #expect(export.status == .canceled)
            gate.open()
            await bench.letGo(of: id)
            #expect(try await ledger.refreshToken(of: id) == nil)
            #expect(await bench.engine.refreshTokens.store(for: export)?.token() == nil)
            #expect(try await bench.record(id).export == export)
        }
    }

    @Test func aFailingLedgerDoesNotTakeTheBackgroundAway() async throws {
        let ledger = try StagedLedger()
        let first = try bench(ledger: ledger)
        let id = try await tracked(first)
        first.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        ledger.set { $0.beforeRead = { throw StagedLedger.failure } }
        let reads = ledger.reads
        let second = try first.restarted()
        try await second.running {
            let held = try await second.drive(id) { _ in ledger.reads >= reads + 3 }
            #expect(!held.progress.awaitsAuthorization)
            ledger.set { $0.beforeRead = {} }
            let settled = try await second.drive(id)
            #expect(settled.export.status == .succeeded)
        }
        #expect(first.provider.count(.observe) == 1)
    }

    @Test func pollsReadTheLedgerForItOnce() async throws {
        let ledger = try StagedLedger()
        let first = try bench(ledger: ledger)
        let id = try await tracked(first)
        let before = (reads: ledger.reads, writes: ledger.writes)
        first.provider.set {
            $0.onObserve = {
                $0 < 9 ? .success(Observation(.running, upstreamStatus: "Running")) : .success(.succeeded())
            }
        }
        let second = try first.restarted()
        try await second.running { _ = try await second.drive(id, by: .seconds(10)) }
        #expect(first.provider.count(.observe) == 9)
        #expect(ledger.reads == before.reads + 1)
        #expect(ledger.writes == before.writes)
    }

    @Test func connectionsThatKeepNoneNeverAskForOne() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger) { $0.delegatedOnly = true }
        bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        try await bench.running {
            let id = try await bench.create(token: "t")
            _ = try await bench.drive(id)
        }
        #expect(ledger.reads == 0)
        #expect(ledger.writes == 0)
        #expect(calls(bench).stores == [nil, nil])
    }
}
