@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Testing

/// How many exports a caller may create in a day.
@Suite(.timeLimit(.minutes(5))) struct CreationLimitTests {
    private func bench() throws -> Bench {
        var settings = EngineSettings()
        settings.callerLimits.others.createsPerDay = 2
        return try Bench(settings: settings)
    }

    @Test func oneMoreIsRefusedForADay() async throws {
        let bench = try bench()
        var draft = bench.draft()
        draft.idempotency = Idempotency(key: "k", fingerprint: "f")
        let first = try await bench.engine.create(draft, for: .owner())
        bench.time.advance(by: .seconds(60))
        _ = try await bench.engine.create(bench.draft(), for: .owner())
        for _ in 0..<2 {
            let error = await #expect(throws: GatewayError.self) {
                try await bench.engine.create(bench.draft(), for: .owner())
            }
            #expect(error?.code == .tooManyRequests)
            #expect(error?.members == .quota(Quota(.creates, limit: 2, window: .seconds(86_400))))
            #expect(error?.retryAfter == .seconds(86_340))
        }
        let replay = try await bench.engine.create(draft, for: .owner())
        #expect(replay.isReplay)
        #expect(replay.export.id == first.export.id)
        #expect(bench.counter("export_gateway_caller_limit_refusals_total", [("limit", "creates")]) == 2)

        // A millisecond later, the first one is older than a day.
        bench.time.advance(by: .seconds(86_340) + .milliseconds(1))
        #expect(try await !bench.engine.create(bench.draft(), for: .owner()).isReplay)
        await #expect(throws: GatewayError.self) { try await bench.engine.create(bench.draft(), for: .owner()) }
    }

    /// On the event loop, a request with a key is passed on, and counts where it is answered.
    @Test func aRefusalCountsOnce() async throws {
        let bench = try bench()
        for _ in 0..<2 { _ = try await bench.engine.create(bench.draft(), for: .owner()) }
        await #expect(throws: GatewayError.self) { try await bench.engine.create(bench.draft(), for: .owner()) }
        var draft = bench.draft()
        draft.idempotency = Idempotency(key: "k", fingerprint: "f")
        let then: @Sendable (Result<Creation, GatewayError>) -> Void = { _ in Issue.record("was answered") }
        let isBegun = bench.engine.create(draft, for: .owner(), on: { $0() }, then: then)
        #expect(!isBegun)
        #expect(bench.counter("export_gateway_caller_limit_refusals_total", [("limit", "creates")]) == 1)
        await #expect(throws: GatewayError.self) { try await bench.engine.create(draft, for: .owner()) }
        #expect(bench.counter("export_gateway_caller_limit_refusals_total", [("limit", "creates")]) == 2)
    }

    @Test func withoutALimitNothingIsRefused() async throws {
        let bench = try Bench()
        for _ in 0..<20 { _ = try await bench.engine.create(bench.draft(), for: .owner()) }
        #expect(bench.counter("export_gateway_caller_limit_refusals_total", [("limit", "creates")]) == 0)
    }
}
