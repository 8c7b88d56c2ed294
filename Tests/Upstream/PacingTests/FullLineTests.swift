import Exports
import Testing

@testable import Pacing

/// When as many calls of a class wait as may.
@Suite struct FullLineTests {
    private static let most = BudgetState.waitersPerClass

    /// A budget whose only place is taken.
    private func full() -> BudgetState {
        var state = BudgetState(RequestBudget(1, per: .seconds(60)))
        state.call(call(.caller), at: start)
        return state
    }

    /// A call that waits however long it takes.
    private func waiter(_ priority: CallPriority, _ caller: String, weight: Int = 1) -> PacedCall {
        call(priority, caller: caller, weight: weight, patience: .seconds(1_000_000))
    }

    @Test("fault C7: a caller who fills the line of callers who wait shuts no other out")
    func oneCallerDoesNotFillTheLine() {
        var state = full()
        let many = (0..<Self.most).map { _ in state.ask(waiter(.caller, "many"), at: start) }
        #expect(many.allSatisfy { state.outcome(of: $0) == nil })
        // The one comes, and the last of the many is told.
        let one = state.ask(waiter(.caller, "one"), at: start)
        #expect(state.outcome(of: one) == nil)
        guard case .queued(let place, _) = state.outcome(of: many[Self.most - 1]) else {
            Issue.record("no call was evicted")
            return
        }
        #expect(place.position > 1)
        #expect(many.dropLast().allSatisfy { state.outcome(of: $0) == nil })
        guard case .queued = state.now(waiter(.caller, "many"), at: start).outcome else {
            Issue.record("the many have one more")
            return
        }
        #expect(state.waiting(.caller) == Self.most)
    }

    @Test func eachHasItsShareByItsWeight() {
        for priority in CallPriority.allCases {
            var state = full()
            var waiting: [String: Set<UInt64>] = [:]
            for round in 0..<(2 * Self.most) {
                for (caller, weight) in [("a", 1), ("b", 1), ("heavy", 2)] where caller == "a" || round >= Self.most {
                    let ticket = state.ask(waiter(priority, caller, weight: weight), at: start)
                    waiting[caller, default: []].insert(ticket)
                    for caller in Array(waiting.keys) {
                        waiting[caller] = waiting[caller]?.filter { state.outcome(of: $0) == nil }
                    }
                }
            }
            #expect(waiting.mapValues(\.count) == ["a": 64, "b": 64, "heavy": 128], "\(priority)")
            #expect(state.waiting(priority) == Self.most)
        }
    }

    @Test func aHoldThatEverybodyWaitsForIsShared() {
        var state = BudgetState(nil)
        state.hold("h", for: .seconds(60), at: start)
        let many = (0..<Self.most).map { _ in state.ask(waiter(.caller, "many"), at: start) }
        #expect(state.now(waiter(.caller, "one"), at: start).outcome == nil)
        #expect(state.outcome(of: many[Self.most - 1]) == .held(.seconds(60)))
        #expect(state.now(waiter(.caller, "many"), at: start).outcome == .held(.seconds(60)))
    }

    @Test func workUnderWayIsNeverEvicted() {
        var state = full()
        for order in 0..<Self.most {
            _ = state.ask(call(.poll, caller: "many", continues: UInt64(order + 1)), at: start)
        }
        guard case .queued = state.now(call(.poll, caller: "one"), at: start).outcome else {
            Issue.record("it waits")
            return
        }
        #expect(state.waiting(.poll) == Self.most)
    }
}
