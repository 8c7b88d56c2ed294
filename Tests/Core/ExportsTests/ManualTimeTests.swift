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
            await time.sleepers(atLeast: 3)
            time.advance(by: .milliseconds(9999))
            // Nobody was due: all three still sleep.
            await time.sleepers(atLeast: 3)
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
            await time.sleepers(atLeast: 1)
            group.addTask {
                await time.sleepers(atLeast: 1, dueWithin: .seconds(10))
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
            await time.sleepers(atLeast: 1, dueWithin: .seconds(20))
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
        await time.sleepers(atLeast: 1)
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
}
