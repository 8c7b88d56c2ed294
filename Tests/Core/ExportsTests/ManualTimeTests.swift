import Exports
import ManualClock
import Synchronization
import Testing

@Suite struct ManualTimeTests {
    @Test func standsStillUntilMoved() {
        let time = ManualTime(now: Timestamp(milliseconds: 5))
        #expect(time.now() == Timestamp(milliseconds: 5))
        time.advance(by: .seconds(2))
        #expect(time.now() == Timestamp(milliseconds: 2005))
    }

    @Test func wakesWhoeverIsDue() async throws {
        let time = ManualTime()
        let woken = Mutex<[Int]>([])
        try await withThrowingTaskGroup(of: Int.self) { group in
            for seconds in [30, 10, 20] {
                group.addTask {
                    try await time.sleep(for: .seconds(seconds))
                    return seconds
                }
            }
            await time.pauses(atLeast: 3)
            time.advance(by: .milliseconds(9999))
            // Nobody was due: all three still sleep.
            await time.pauses(atLeast: 3)
            for expected in [10, 20, 30] {
                time.advance(by: .seconds(10))
                let next = try await group.next()
                #expect(next == expected)
                woken.withLock { $0.append(expected) }
            }
        }
        #expect(woken.withLock { $0 } == [10, 20, 30])
    }

    @Test func tellsWhoIsDueSoon() async throws {
        let time = ManualTime()
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask {
                try await time.sleep(for: .seconds(30))
                return 30
            }
            await time.pauses(atLeast: 1)
            group.addTask {
                await time.pauses(atLeast: 1, dueWithin: .seconds(10))
                return 0
            }
            group.addTask {
                try await time.sleep(for: .seconds(10))
                return 10
            }
            let first = try await group.next()
            #expect(first == 0)
            time.advance(by: .seconds(10))
            let second = try await group.next()
            #expect(second == 10)
            await time.pauses(atLeast: 1, dueWithin: .seconds(20))
            time.advance(by: .seconds(20))
            let third = try await group.next()
            #expect(third == 30)
        }
    }

    @Test func doesNotSleepForNothing() async throws {
        let time = ManualTime()
        try await time.sleep(for: .zero)
        try await time.sleep(for: .seconds(-1))
    }

    @Test func cancellationWakesAtOnce() async {
        let time = ManualTime()
        let sleeper = Task { try await time.sleep(for: .seconds(3600)) }
        await time.pauses(atLeast: 1)
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
    }

    @Test(arguments: [Duration.seconds(3600), .zero])
    func aCancelledTaskDoesNotSleep(_ duration: Duration) async {
        let time = ManualTime()
        let sleeper = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await time.sleep(for: duration)
        }
        await #expect(throws: CancellationError.self) { try await sleeper.value }
    }

    @Test func pausesAndTimeLimitsAreCountedApart() async throws {
        let time = ManualTime()
        let pause = Task { try await time.sleep(for: .seconds(10)) }
        await time.pauses(atLeast: 1)
        #expect(time.deadlineCount == 0)
        let limit = Task { try await time.deadline(after: .seconds(20)) }
        await time.deadlines(atLeast: 1)
        #expect(time.pauseCount == 1)
        time.advance(by: .seconds(10))
        try await pause.value
        #expect(time.pauseCount == 0 && time.deadlineCount == 1)
        time.advance(by: .seconds(10))
        try await limit.value
    }

    @Test func pausesCanBeSkippedWithoutTheTimeLimits() async throws {
        let time = ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)
        let limit = Task { try await time.deadline(after: .seconds(1)) }
        await time.deadlines(atLeast: 1)
        try await time.sleep(for: .seconds(5))
        try await time.sleep(for: .seconds(7))
        #expect(time.elapsed() == .seconds(12) && time.skipped == [.seconds(5), .seconds(7)])
        #expect(time.deadlineCount == 1)
        limit.cancel()
        await #expect(throws: CancellationError.self) { try await limit.value }
        #expect(time.deadlineCount == 0)
    }

    @Test func anotherPartOfATestMayWaitDifferently() async throws {
        let time = ManualTime()
        let impatient = time.with(pauses: .endAtOnce, deadlines: .neverEnd)
        try await impatient.sleep(for: .seconds(3600))
        #expect(time.elapsed() == .zero)
        time.advance(by: .seconds(2))
        #expect(impatient.elapsed() == .seconds(2) && impatient.now() == time.now())
    }

    @Test func whoWaitsForSleepersCanBeCancelled() async {
        let time = ManualTime()
        let watcher = Task { await time.pauses(atLeast: 1) }
        watcher.cancel()
        await watcher.value
    }
}
