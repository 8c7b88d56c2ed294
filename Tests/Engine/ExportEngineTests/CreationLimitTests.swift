@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Testing

/// How many exports a caller may create in a day.
@Suite(.timeLimit(.minutes(5))) struct CreationLimitTests {
    /// A caller who may create so many exports in a day.
    private func alice(_ limit: Int? = 2) -> Viewer {
        var viewer = Viewer.owner()
        viewer.createsPerDay = limit
        return viewer
    }

    @Test func oneMoreIsRefusedForADay() async throws {
        let bench = try Bench()
        var draft = bench.draft()
        draft.idempotency = Idempotency(key: "k", fingerprint: "f")
        let first = try await bench.engine.create(draft, for: alice())
        bench.time.advance(by: .seconds(60))
        _ = try await bench.engine.create(bench.draft(), for: alice())
        for _ in 0..<2 {
            let error = await #expect(throws: GatewayError.self) {
                try await bench.engine.create(bench.draft(), for: alice())
            }
            #expect(error?.code == .tooManyRequests)
            #expect(error?.members == .quota(Quota(.creates, limit: 2, window: .seconds(86_400))))
            #expect(error?.retryAfter == .seconds(86_340))
        }
        let replay = try await bench.engine.create(draft, for: alice())
        #expect(replay.isReplay)
        #expect(replay.export.id == first.export.id)
        #expect(bench.counter("export_gateway_caller_limit_refusals_total", [("limit", "creates")]) == 2)

        // A millisecond later, the first one is older than a day.
        bench.time.advance(by: .seconds(86_340) + .milliseconds(1))
        #expect(try await !bench.engine.create(bench.draft(), for: alice()).isReplay)
        await #expect(throws: GatewayError.self) { try await bench.engine.create(bench.draft(), for: alice()) }
    }

    /// On the event loop, a request with a key is passed on, and counts where it is answered.
    @Test func aRefusalCountsOnce() async throws {
        let bench = try Bench()
        for _ in 0..<2 { _ = try await bench.engine.create(bench.draft(), for: alice()) }
        await #expect(throws: GatewayError.self) { try await bench.engine.create(bench.draft(), for: alice()) }
        var draft = bench.draft()
        draft.idempotency = Idempotency(key: "k", fingerprint: "f")
        let then: @Sendable (Result<Creation, GatewayError>) -> Void = { _ in Issue.record("was answered") }
        let isBegun = bench.engine.create(draft, for: alice(), on: { $0() }, then: then)
        #expect(!isBegun)
        #expect(bench.counter("export_gateway_caller_limit_refusals_total", [("limit", "creates")]) == 1)
        await #expect(throws: GatewayError.self) { try await bench.engine.create(draft, for: alice()) }
        #expect(bench.counter("export_gateway_caller_limit_refusals_total", [("limit", "creates")]) == 2)
    }

    /// As after a reload of the configuration.
    @Test func anotherLimitCountsAtOnce() async throws {
        let bench = try Bench()
        for _ in 0..<2 { _ = try await bench.engine.create(bench.draft(), for: alice()) }
        await #expect(throws: GatewayError.self) { try await bench.engine.create(bench.draft(), for: alice()) }
        #expect(try await !bench.engine.create(bench.draft(), for: alice(3)).isReplay)
        let error = await #expect(throws: GatewayError.self) {
            try await bench.engine.create(bench.draft(), for: alice(3))
        }
        #expect(error?.members == .quota(Quota(.creates, limit: 3, window: .seconds(86_400))))
        #expect(try await !bench.engine.create(bench.draft(), for: alice(nil)).isReplay)
    }

    @Test func withoutALimitNothingIsRefused() async throws {
        let bench = try Bench()
        for _ in 0..<20 { _ = try await bench.engine.create(bench.draft(), for: .owner()) }
        #expect(bench.counter("export_gateway_caller_limit_refusals_total", [("limit", "creates")]) == 0)
    }
}
