@testable import ExportEngine
import Exports
import ManualClock
import Synchronization
import Testing

/// Another caller's export does not exist: nothing is told, done or kept.
@Suite(.timeLimit(.minutes(5))) struct OwnershipTests {
    /// Every way to an export.
    private static let ways: [(String, @Sendable (Bench, ExportID, Viewer) async throws -> Void)] = [
        ("get", { _ = try await $0.engine.export($1, for: $2, refresh: true) }),
        ("wait", { _ = try await $0.engine.export($1, for: $2, changedFrom: 0, within: .seconds(9)) }),
        ("cancel", { _ = try await $0.engine.cancel($1, for: $2) }),
        ("open", { _ = try await $0.engine.open("1", of: $1, for: $2, range: nil) }),
        ("deliveries", { _ = try await $0.engine.deliveries(of: $1, for: $2, requestID: nil, after: nil, limit: 9) }),
    ]

    @Test func anotherCallerFindsNothingAndChangesNothing() async throws {
        let bench = try Bench { $0.cancel = true }
        try await bench.running {
            let id = try await bench.create(token: "alice's")
            let before = try await bench.until(id) { $0.isTracked }
            let calls = bench.provider.state.withLock { $0.tokens.count }
            let bob = Viewer.caller("bob", "another's")
            for (name, way) in Self.ways {
                let refusal = await #expect(throws: GatewayError.self, "\(name)") { try await way(bench, id, bob) }
                let other = bench.engine.random.newID(at: bench.time.now())
                let unknown = await #expect(throws: GatewayError.self) { try await way(bench, other, bob) }
                #expect(refusal?.code == .notFound)
                // The same words as for an id that was never given out.
                #expect(
                    refusal?.detail.replacing("\(id)", with: "") == unknown?.detail.replacing("\(other)", with: "")
                )
            }
            #expect(try await bench.record(id) == before)
            #expect(bench.engine.callerTokens.token(for: id) == Secret("alice's"))
            #expect(bench.provider.state.withLock { $0.tokens.count } == calls)
        }
    }

    @Test func theOwnerAndWhoSeesAllFindIt() async throws {
        for viewer in [Viewer.owner("another's"), .auditor("another's")] {
            let bench = try Bench { $0.cancel = true }
            bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
            try await bench.running {
                let id = try await bench.create()
                _ = try await bench.drive(id)
                for (_, way) in Self.ways { try await way(bench, id, viewer) }
            }
        }
    }

    @Test func aListHoldsOnesOwn() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        for (viewer, ids) in [(Viewer.owner(), [id]), (.caller("bob"), []), (.auditor(), [id])] {
            let page = try await bench.engine.exports(matching: ExportFilter(), for: viewer, before: nil, limit: 9)
            #expect(page.exports.map(\.id) == ids)
        }
    }
}
