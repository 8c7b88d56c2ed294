import TestLedger
@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Synchronization
import Testing

/// Which exports the engine gives out to be measured.
@Suite(.timeLimit(.minutes(5))) struct MeasurementTests {
    private func finished(
        _ bench: Bench,
        expiresAfter: Duration? = nil,
        token: String? = nil
    ) async throws -> ExportID {
        let expiry = expiresAfter.map { bench.time.now() + $0 }
        bench.provider.set {
            $0.onObserve = { _ in
                var observation = Observation(.succeeded, upstreamStatus: "Succeeded")
                observation.files = [ExportFile(id: "1", name: "a")]
                observation.expiresAt = expiry
                return .success(observation)
            }
        }
        return try await bench.running {
            let id = try await bench.create(token: token)
            _ = try await bench.drive(id)
            return id
        }
    }

    @Test func aSuccessIsGivenOutAndComesBackAsWasSaid() async throws {
        let bench = try Bench()
        let id = try await finished(bench)
        await bench.engine.waitForMeasurement(besides: [])
        let claim = try #require(await bench.engine.claimMeasurement(besides: [], lease: .seconds(600)))
        #expect(claim.export.id == id && claim.attempts == 1)
        #expect(await bench.engine.claimMeasurement(besides: [], lease: .seconds(600)) == nil)

        await bench.engine.endMeasurement(claim, next: MeasurementClaim.Next(after: .seconds(60), counts: true))
        #expect(await bench.engine.claimMeasurement(besides: [], lease: .seconds(600)) == nil)
        bench.time.advance(by: .seconds(60))
        let second = try #require(await bench.engine.claimMeasurement(besides: [], lease: .seconds(600)))
        #expect(second.attempts == 2)
        await bench.engine.endMeasurement(second, next: MeasurementClaim.Next(after: .zero, counts: false))
        let third = try #require(await bench.engine.claimMeasurement(besides: [], lease: .seconds(600)))
        #expect(third.attempts == 2)
        await bench.engine.endMeasurement(third, next: nil)
        bench.time.advance(by: .seconds(6000))
        #expect(await bench.engine.claimMeasurement(besides: [], lease: .seconds(600)) == nil)
    }

    @Test func whoWaitsIsToldOfASuccess() async throws {
        let bench = try Bench()
        async let waiting: Void = bench.engine.waitForMeasurement(besides: [])
        let id = try await finished(bench)
        await waiting
        #expect(await bench.engine.claimMeasurement(besides: [], lease: .seconds(600))?.export.id == id)
    }

    /// What a process that was killed had begun.
    @Test func aClaimThatNobodyEndsComesAgain() async throws {
        let bench = try Bench()
        let id = try await finished(bench)
        _ = await bench.engine.claimMeasurement(besides: [], lease: .seconds(600))
        let next = try bench.restarted()
        #expect(await next.engine.claimMeasurement(besides: [], lease: .seconds(600)) == nil)
        async let waiting: Void = next.engine.waitForMeasurement(besides: [])
        await bench.time.pauses(atLeast: 1)
        bench.time.advance(by: .seconds(600))
        await waiting
        let claim = await next.engine.claimMeasurement(besides: [], lease: .seconds(600))
        #expect(claim?.export.id == id && claim?.attempts == 2)
    }

    @Test func filesThatOnlyACallersTokenOpensAreLeft() async throws {
        let bench = try Bench { $0.delegatedOnly = true }
        let id = try await finished(bench, token: "token")
        #expect(await bench.engine.claimMeasurement(besides: [], lease: .seconds(600)) == nil)
        #expect(try await bench.ledger.nextMeasurement(besides: []) == nil)
        let error = await #expect(throws: GatewayError.self) {
            try await bench.engine.openForMeasurement("1", of: id, range: nil)
        }
        #expect(error?.code == .upstreamAuthorizationRequired)
    }

    /// Elsewhere, too, the token that the owner left is not used.
    @Test func noCallersTokenIsUsed() async throws {
        let bench = try Bench()
        let id = try await finished(bench, token: "token")
        _ = try await bench.engine.openForMeasurement("1", of: id, range: nil)
        _ = try await bench.engine.open("1", of: id, for: .owner("token"), range: nil)
        #expect(bench.provider.state.withLock { $0.tokens.suffix(2) } == [nil, Secret("token")])
    }

    @Test func whatHasExpiredIsLeft() async throws {
        let bench = try Bench()
        _ = try await finished(bench, expiresAfter: .seconds(3600))
        bench.time.advance(by: .seconds(3600))
        #expect(await bench.engine.claimMeasurement(besides: [], lease: .seconds(600)) == nil)
    }

    /// A ledger that fails is not asked again and again.
    @Test func aLedgerThatFailsIsLeftInPeaceForAMinute() async throws {
        let bench = try Bench(ledger: DyingLedger(try SQLiteLedger.temporary(), after: 0, keepsLast: false))
        for work in [
            { _ = await bench.engine.claimMeasurement(besides: [], lease: .seconds(600)) },
            { await bench.engine.waitForMeasurement(besides: []) },
        ] as [@Sendable () async -> Void] {
            let task = Task { await work() }
            await bench.time.pauses(atLeast: 1)
            bench.time.advance(by: .seconds(60))
            await task.value
        }
    }
}
