import ExportLedger
import Exports
import JSON
import ManualClock
import Synchronization
import Testing

@testable import ExportEngine

/// Observations of several callers at one upstream that has a place now and then.
@Suite(.timeLimit(.minutes(2))) struct TokenTurnTests {
    private static let noPlace = ProviderError(.throttled, "No place.", problem: .queued, retryAfter: .seconds(12))

    private func create(_ bench: Bench, by caller: String, _ count: Int, token: String?) async throws -> [ExportID] {
        var ids: [ExportID] = []
        for _ in 0..<count {
            let creation = try await bench.engine.create(bench.draft(), for: .caller(caller, token))
            ids.append(creation.export.id)
        }
        return ids
    }

    @Test("fault C7: of callers who bring their own tokens, each has its turn", arguments: [1, 3])
    func tokensTakeTurns(_ weight: Int) async throws {
        var settings = EngineSettings()
        settings.callerWeights = ["alice": weight]
        let bench = try Bench(settings: settings) {
            $0.delegatedOnly = true
            $0.batchObserve = true
        }
        let now = bench.time.now
        let state = Mutex<(present: Secret?, freeAt: Timestamp, asked: [String: Int])>((nil, now(), [:]))
        bench.provider.set {
            $0.onCall = { call, context in
                if call == .observe { state.withLock { $0.present = context.authorization } }
            }
            // One place in twelve seconds, for whoever comes first.
            $0.onObserve = { _ in
                state.withLock { state in
                    guard now() >= state.freeAt else { return .failure(Self.noPlace) }
                    state.freeAt = now() + .seconds(12)
                    state.asked[state.present?.reveal() ?? "", default: 0] += 1
                    return .success(Observation(.running, upstreamStatus: "Running"))
                }
            }
        }
        try await bench.running {
            let many = try await create(bench, by: "alice", 5, token: "a")
            let one = try await create(bench, by: "bob", 1, token: "b")
            for id in many + one { _ = try await bench.drive(id) { $0.isTracked } }
            _ = try await bench.drive(one[0]) { _ in state.withLock { $0.asked.values.reduce(0, +) } >= 40 }
        }
        let asked = state.withLock { $0.asked }
        // Neither is always due when there is a place.
        #expect(asked["b", default: 0] >= 10 && asked["a", default: 0] >= 10, "\(asked)")
        if weight > 1 { #expect(asked["a", default: 0] > asked["b", default: 0], "\(asked)") }
    }

    @Test func aQuestionForManyNamesTheirOwnersAndItsTime() async throws {
        var settings = EngineSettings()
        settings.callerWeights = ["bob": 2]
        let bench = try Bench(settings: settings) { $0.batchObserve = true }
        let contexts = Mutex<[CallContext]>([])
        bench.provider.set {
            $0.onCall = { call, context in if call == .observe { contexts.withLock { $0.append(context) } } }
        }
        try await bench.running {
            let ids = try await create(bench, by: "alice", 2, token: nil) + create(bench, by: "bob", 1, token: nil)
            for id in ids { _ = try await bench.drive(id) { $0.export.observedAt != nil } }
            // All three are due after this step.
            _ = try await bench.drive(ids[0], by: settings.maximumPollInterval) { _ in
                contexts.withLock { $0.contains { $0.owners.count >= 3 } }
            }
        }
        let context = try #require(contexts.withLock { $0.first { $0.owners.count == 3 } })
        #expect(Set(context.owners.values.flatMap(\.self)) == [CallerShare("alice"), CallerShare("bob", weight: 2)])
        #expect(context.roundLimit.map { $0 > .zero && $0 <= .seconds(5) } == true)
    }
}
