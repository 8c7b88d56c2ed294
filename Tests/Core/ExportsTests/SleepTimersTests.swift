import Testing
import TestSupport

@testable import Exports

@Suite struct SleepTimersTests {
    // MARK: The value

    @Test func thoseWhoseTimeHasComeAreWokenInItsOrder() {
        var sleepers = SleepTimers.Sleepers<String>()
        sleepers.add(1, "late", until: .seconds(3))
        sleepers.add(2, "early", until: .seconds(1))
        sleepers.add(3, "between", until: .seconds(2))
        #expect(sleepers.next == .seconds(1))
        #expect(sleepers.due(at: .milliseconds(999)).isEmpty)
        #expect(sleepers.due(at: .seconds(2)) == ["early", "between"])
        #expect(sleepers.next == .seconds(3))
        #expect(sleepers.due(at: .seconds(3)) == ["late"])
        #expect(sleepers.next == nil && sleepers.count == 0 && sleepers.itemCount == 0)
    }

    @Test func whoIsTakenOutIsNotWoken() {
        var sleepers = SleepTimers.Sleepers<String>()
        sleepers.add(1, "gone", until: .seconds(1))
        sleepers.add(2, "there", until: .seconds(2))
        #expect(sleepers.remove(1) == "gone")
        #expect(sleepers.remove(1) == nil)
        #expect(sleepers.due(at: .seconds(2)) == ["there"])
        #expect(sleepers.remove(2) == nil)
    }

    /// Limits of calls that end before: nothing of them may stay.
    @Test func thoseThatAreTakenOutTakeNoMemory() {
        var sleepers = SleepTimers.Sleepers<Int>()
        sleepers.add(0, 0, until: .seconds(1000))
        for number in 1...10_000 {
            sleepers.add(UInt64(number), number, until: .seconds(60))
            #expect(sleepers.remove(UInt64(number)) == number)
            #expect(sleepers.itemCount <= 2 * sleepers.count + 65)
        }
        #expect(sleepers.due(at: .seconds(1000)) == [0])
    }

    // MARK: The timer

    @Test func aSleepEndsWhenItsTimeHasCome() async throws {
        let timers = SleepTimers()
        let start = ContinuousClock.now
        let ended = try await withThrowingTaskGroup { group in
            for milliseconds in [60, 20, 40, 0] {
                group.addTask {
                    try await timers.sleep(for: .milliseconds(milliseconds))
                    #expect(ContinuousClock.now - start >= .milliseconds(milliseconds))
                    return milliseconds
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(ended.sorted() == [0, 20, 40, 60])
        #expect(timers.count == 0)
    }

    @Test func aCancelledSleepEndsAtOnceAndLeavesNothing() async throws {
        let timers = SleepTimers()
        let sleeper = Task { try await timers.sleep(for: .seconds(86_400 * 365)) }
        try await eventually { timers.count == 1 }
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        #expect(timers.count == 0)
    }

    @Test func aTaskThatIsCancelledDoesNotBeginToSleep() async {
        let timers = SleepTimers()
        let sleeper = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await timers.sleep(for: .seconds(86_400))
        }
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        #expect(timers.count == 0)
    }

    /// One that is to be woken earlier than all others sets the timer again.
    @Test func aShorterSleepIsNotDelayedByALongerOne() async throws {
        let timers = SleepTimers()
        let longer = Task { try await timers.sleep(for: .seconds(86_400)) }
        try await eventually { timers.count == 1 }
        try await timers.sleep(for: .milliseconds(5))
        #expect(timers.count == 1)
        longer.cancel()
        await #expect(throws: CancellationError.self) { try await longer.value }
    }

    @Test func manySleepAndAreCancelledAtTheSameTime() async {
        let timers = SleepTimers()
        await withTaskGroup { group in
            for number in 0..<1000 {
                group.addTask {
                    let sleeper = Task { try await timers.sleep(for: .microseconds(number * 7 % 3000)) }
                    if number % 2 == 0 { sleeper.cancel() }
                    _ = await sleeper.result
                }
            }
        }
        #expect(timers.count == 0)
    }
}
