import CoreMetrics
import Exports
import ManualClock
import Testing

@testable import Pacing

/// A budget that the operator changes while calls wait for it.
@Suite struct ResizedBudgetTests {
    private let minute = Duration.seconds(60)

    /// How many of `count` calls are admitted at once.
    private func admitted(_ state: inout BudgetState, of count: Int, at time: Timestamp = start) -> Int {
        (0..<count).count { _ in place(state.now(call(.caller), at: time).outcome) != nil }
    }

    @Test func aLargerBudgetAdmitsThoseThatWait() {
        var state = BudgetState(RequestBudget(2, per: minute))
        #expect(admitted(&state, of: 2) == 2)
        let ticket = state.now(call(.caller), at: start).ticket
        #expect(state.outcome(of: ticket) == nil)
        state.resize(to: RequestBudget(4, per: minute), at: start)
        #expect(place(state.outcome(of: ticket)) != nil)
        #expect(state.usage(at: start).limit == 4)
        #expect(admitted(&state, of: 5) == 1)
    }

    @Test func inASmallerBudgetWhatWasUsedStaysUsed() {
        var state = BudgetState(RequestBudget(4, per: minute))
        let places = (0..<4).compactMap { _ in place(state.now(call(.caller), at: start).outcome) }
        #expect(places.count == 4)
        state.resize(to: RequestBudget(2, per: minute), at: start)
        #expect(state.usage(at: start).used == 4)
        for place in places { state.answered(place, at: start) }
        #expect(state.usage(at: start + .milliseconds(60_599)).used == 4)
        // A minute after the answers, and a hundredth of it more.
        #expect(admitted(&state, of: 5, at: start + .milliseconds(60_600)) == 2)
    }

    @Test func aLongerPeriodCountsForCallsThatWereMade() {
        var state = BudgetState(RequestBudget(1, per: .seconds(10)))
        guard let first = place(state.now(call(.caller), at: start).outcome) else {
            Issue.record("no place")
            return
        }
        state.answered(first, at: start)
        state.resize(to: RequestBudget(1, per: minute), at: start)
        #expect(state.usage(at: start + .milliseconds(60_599)).used == 1)
        #expect(state.usage(at: start + .milliseconds(60_600)).used == 0)
    }

    @Test func aPauseAfterARefusalIsNotOver() {
        var state = BudgetState(RequestBudget(8, per: minute))
        guard let first = place(state.now(call(.caller), at: start).outcome) else {
            Issue.record("no place")
            return
        }
        state.throttled(first, at: start)
        #expect(state.usage(at: start).limit == 4)
        state.resize(to: RequestBudget(20, per: minute), at: start)
        #expect(state.usage(at: start).limit == 4)
        state.resize(to: RequestBudget(3, per: minute), at: start)
        #expect(state.usage(at: start).limit == 3)
    }

    @Test func aBudgetWithoutALimitStaysSo() {
        let budget = CallBudget(nil, name: "b", time: ManualTime(), metrics: NOOPMetricsHandler.instance)
        budget.resize(to: RequestBudget(1, per: minute))
        #expect(budget.budget == nil)
        #expect(budget.usage.limit == nil)
        let limited = CallBudget(
            RequestBudget(1, per: minute),
            name: "b",
            time: ManualTime(),
            metrics: NOOPMetricsHandler.instance
        )
        limited.resize(to: RequestBudget(3, per: minute))
        #expect(limited.budget == RequestBudget(3, per: minute))
        #expect(limited.usage.limit == 3)
    }
}
