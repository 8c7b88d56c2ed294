import CoreMetrics
import Exports
import ManualClock
import Pacing
import Testing
import TestSupport

@Suite struct CallBudgetTests {
    private let time = ManualTime()

    private func budget(_ count: Int) -> CallBudget {
        CallBudget(RequestBudget(count, per: .seconds(10)), name: "b", time: time, metrics: NOOPMetricsHandler.instance)
    }

    private func call(_ priority: CallPriority, patience: Duration = .seconds(60)) -> PacedCall {
        PacedCall(priority, host: "h", patience: patience)
    }

    /// One of those that wait sleeps; all are served, in the order of their classes.
    @Test func whoeverWaitsIsServedWhenTheTimeComes() async throws {
        let budget = budget(1)
        budget.answered(try await budget.place(for: call(.caller)))
        let order = AsyncStream<CallPriority>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for priority in [CallPriority.poll, .start, .caller] {
                group.addTask {
                    guard let place = try? await budget.place(for: call(priority)) else { return }
                    budget.answered(place)
                    order.continuation.yield(priority)
                }
            }
            var served: [CallPriority] = []
            var iterator = order.stream.makeAsyncIterator()
            try await eventually { budget.usage.queueLength.values.reduce(0, +) == 3 }
            while served.count < 3 {
                await time.pauses(atLeast: 1, dueWithin: .milliseconds(10_100))
                time.advance(by: .milliseconds(10_100))
                if let next = await iterator.next() { served.append(next) }
            }
            #expect(served == [.caller, .start, .poll])
        }
        #expect(time.pauseCount == 0)
    }

    /// When the one that sleeps for all is cancelled, another one takes its place.
    @Test func aCancelledSleeperLeavesItsTaskToAnother() async throws {
        let budget = budget(1)
        budget.answered(try await budget.place(for: call(.caller)))
        let first = Task { try await budget.place(for: call(.caller)) }
        await time.pauses(atLeast: 1)
        let second = Task { try await budget.place(for: call(.caller)) }
        try await eventually { budget.usage.queueLength[.caller] == 2 }
        first.cancel()
        await #expect(throws: CallBudget.Refusal.cancelled) { try await first.value }
        await time.pauses(atLeast: 1, dueWithin: .milliseconds(10_100))
        time.advance(by: .milliseconds(10_100))
        budget.answered(try await second.value)
        #expect(budget.usage.queueLength[.caller] == 0)
    }

    @Test func aPlaceThatIsGivenBackIsSomebodyElsesAtOnce() async throws {
        let budget = budget(1)
        let place = try await budget.place(for: call(.caller))
        let next = Task { try await budget.place(for: call(.poll)) }
        await time.pauses(atLeast: 1)
        budget.giveBack(place)
        budget.answered(try await next.value)
        #expect(time.pauseCount == 0)
    }

    /// A minute is a minute, whatever the wall clock is set to.
    @Test("fault C1: a wall clock that is set forward frees no place")
    func theWallClockCountsForNothing() async throws {
        let budget = budget(1)
        budget.answered(try await budget.place(for: call(.caller)))
        time.set(to: time.now() + .seconds(3600))
        await #expect(throws: CallBudget.Refusal.self) {
            try await budget.place(for: call(.caller, patience: .seconds(9)))
        }
        time.set(to: time.now() + .seconds(-7200))
        let next = Task { try await budget.place(for: call(.caller, patience: .seconds(11))) }
        await time.pauses(atLeast: 1)
        time.advance(by: .milliseconds(10_100))
        let place = try await next.value
        #expect(place.waited == .milliseconds(10_100))
    }

    @Test func whoeverHasWaitedForTooLongIsTold() async throws {
        let budget = budget(1)
        let place = try await budget.place(for: call(.caller))
        budget.hold("h", for: .seconds(5))
        let waiting = Task { try await budget.place(for: call(.caller, patience: .seconds(12))) }
        await time.pauses(atLeast: 1)
        budget.hold("h", for: .seconds(30))
        await #expect(throws: CallBudget.Refusal.held(.seconds(30))) { try await waiting.value }
        budget.giveBack(place)
        #expect(budget.usage.used == 0)
    }
}
