@testable import ExportEngine
import Exports
import ManualClock
import Testing

@Suite struct DueQueueTests {
    private let start = Life.start

    private func ids(_ count: Int) -> [ExportID] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in ExportID(at: start, random: &generator) }
    }

    @Test func givesOutInTheOrderOfTime() {
        var queue = DueQueue()
        let ids = ids(200)
        for (index, id) in ids.enumerated().shuffled() { queue.set(id, at: start + .seconds(index)) }
        var taken: [ExportID] = []
        while let id = queue.popDue(at: start + .seconds(99)) { taken.append(id) }
        #expect(taken == Array(ids.prefix(100)))
        #expect(queue.nextTime() == start + .seconds(100))
    }

    @Test func latestWordCounts() {
        var queue = DueQueue()
        let ids = ids(3)
        for id in ids { queue.set(id, at: start) }
        queue.set(ids[0], at: start + .seconds(5))
        queue.set(ids[1], at: start + .seconds(9))
        queue.set(ids[1], at: start)
        queue.remove(ids[2])
        #expect(queue.popDue(at: start) == ids[1])
        #expect(queue.popDue(at: start) == nil)
        #expect(queue.nextTime() == start + .seconds(5))
        #expect(queue.popDue(at: start + .seconds(20)) == ids[0])
        #expect(queue.nextTime() == nil)
    }
}

@Suite(.timeLimit(.minutes(5))) struct SignalTests {
    @Test func keepsOneSignalForLater() async {
        let signal = Signal()
        signal.fire()
        signal.fire()
        await signal.wait()
        let time = ManualTime()
        async let waited = signal.wait(until: time.now() + .seconds(1), of: time)
        await time.pauses(atLeast: 1)
        time.advance(by: .seconds(1))
        #expect(await waited)
    }

    @Test func wakesTheWaiterAndEndsItsSleep() async {
        let signal = Signal()
        let time = ManualTime()
        async let waited = signal.wait(until: time.now() + .seconds(1), of: time)
        await time.pauses(atLeast: 1)
        signal.fire()
        #expect(await !waited)
        #expect(time.pauseCount == 0)
    }

    @Test func theLongestWaitIsATimeLimitAndNoPause() async {
        let signal = Signal()
        let time = ManualTime()
        async let waited = signal.wait(deadline: time.now() + .seconds(1), of: time)
        await time.deadlines(atLeast: 1)
        #expect(time.pauseCount == 0)
        time.advance(by: .seconds(1))
        #expect(await waited)
    }

    @Test func cancellationEndsTheWait() async {
        let signal = Signal()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await signal.wait() }
            group.cancelAll()
            await group.waitForAll()
        }
    }
}

@Suite struct ConnectionWorkerStateTests {
    private let now = Life.start
    private let ids: [ExportID]

    init() {
        var generator = SystemRandomNumberGenerator()
        ids = (0..<10).map { _ in ExportID(at: Life.start, random: &generator) }
    }

    private func state(batches: Bool, _ kind: ConnectionWorkerState.Kind) -> ConnectionWorkerState {
        var state = ConnectionWorkerState(observesInBatches: batches, callsAtOnce: 4)
        state.startRunning()
        for id in ids { state.adopt(id, of: "alice", fence: 1, kind: kind, at: now) }
        return state
    }

    @Test func callsAtOnceAreBounded() {
        var state = state(batches: false, .observation)
        #expect(state.takeWork(at: now).work.observations.count == 4)
        #expect(state.takeWork(at: now).work.isEmpty)
        state.workIsDone(.observation)
        #expect(state.takeWork(at: now).work.observations.count == 1)
    }

    @Test func batchTakesAllAndIsAloneOnItsWorker() {
        var state = state(batches: true, .observation)
        #expect(state.takeWork(at: now).work.observations.map(\.count) == [10])
        _ = state.release(ids[0], until: (.observation, now), at: now)
        #expect(state.takeWork(at: now).work.isEmpty)
        state.workIsDone(.observation)
        #expect(state.takeWork(at: now).work.observations == [[ids[0]]])
    }

    @Test func startsDoNotWaitForPolls() {
        var state = state(batches: false, .observation)
        state.adopt(ids[9], of: "alice", fence: 1, kind: .submission, at: now)
        #expect(state.takeWork(at: now).work.submissions == [ids[9]])
    }

    @Test func whileTheBudgetHasNoPlaceStartsAreBegunOneByOne() {
        var state = state(batches: false, .submission)
        let first = state.takeWork(at: now).work.submissions
        #expect(first.count == 4)
        #expect(!state.canStart(at: now))
        state.holdStarts(at: now)
        for id in first {
            _ = state.release(id, until: (.submission, now + .seconds(60)), at: now)
            state.workIsDone(.submission)
        }
        let later = now + ConnectionWorkerState.heldStartInterval
        let (work, next) = state.takeWork(at: now)
        #expect(work.isEmpty && next == later && !state.canStart(at: now))
        #expect(state.canStart(at: later))
        #expect(state.takeWork(at: later).work.submissions.count == 1)
        #expect(state.takeWork(at: later).work.isEmpty && !state.canStart(at: later))
        // A place came free: as many as before may begin.
        state.startBegins()
        #expect(state.takeWork(at: later).work.submissions.count == 3)
    }

    @Test func startsAreHeldForASecond() {
        var state = state(batches: false, .submission)
        state.holdStarts(at: now)
        #expect(state.takeWork(at: now).work.submissions.count == 1)
        #expect(state.takeWork(at: now + .seconds(1)).work.submissions.count == 3)
    }

    @Test func newsDuringWorkIsReadAfterwards() {
        var state = ConnectionWorkerState(observesInBatches: false, callsAtOnce: 4)
        state.adopt(ids[0], of: "alice", fence: 1, kind: .observation, at: now)
        _ = state.takeWork(at: now)
        state.wake(ids[0], at: now)
        #expect(state.takeWork(at: now).work.isEmpty)
        _ = state.release(ids[0], until: (.observation, now + .seconds(60)), at: now)
        #expect(state.takeWork(at: now).work.followUps == [ids[0]])
    }

    @Test func olderFenceDoesNotReplaceANewerOne() {
        var state = ConnectionWorkerState(observesInBatches: false, callsAtOnce: 4)
        state.adopt(ids[0], of: "alice", fence: 2, kind: .submission, at: now)
        state.adopt(ids[0], of: "alice", fence: 1, kind: .observation, at: now)
        #expect(state.entries[ids[0]]?.fence == 2)
        #expect(state.entries[ids[0]]?.kind == .submission)
    }

    @Test func refreshIsMadeOnceInAnInterval() {
        var state = ConnectionWorkerState(observesInBatches: false, callsAtOnce: 4)
        state.startRunning()
        state.adopt(ids[0], of: "alice", fence: 1, kind: .observation, at: now + .seconds(60))
        #expect(state.refresh(ids[0], as: .observation, at: now) != nil)
        #expect(state.refresh(ids[0], as: .observation, at: now) != nil)
        #expect(state.takeWork(at: now).work.observations == [[ids[0]]])
        let first = state.takeRefresh(ids[0])
        let second = state.takeRefresh(ids[0])
        #expect(first && !second)
        // Under way: joined. Just over: not made again.
        #expect(state.refresh(ids[0], as: .observation, at: now) != nil)
        state.keepQuiet(ids[0], for: .seconds(5), at: now)
        #expect(state.release(ids[0], until: (.observation, now + .seconds(60)), at: now).count == 3)
        #expect(state.refresh(ids[0], as: .observation, at: now + .seconds(4)) == nil)
        // A clock that is set back does not prolong it.
        var back = state
        #expect(back.refresh(ids[0], as: .observation, at: now + .seconds(-1)) != nil)
        #expect(state.refresh(ids[0], as: .observation, at: now + .seconds(5)) != nil)
    }

    @Test func whatIsTakenUpAgainDuringWorkIsNotLetGo() {
        var state = ConnectionWorkerState(observesInBatches: false, callsAtOnce: 4)
        state.adopt(ids[0], of: "alice", fence: 1, kind: .observation, at: now)
        _ = state.takeWork(at: now)
        state.adopt(ids[0], of: "alice", fence: 2, kind: .submission, at: now)
        _ = state.remove(ids[0], at: now)
        #expect(state.takeWork(at: now).work.followUps == [ids[0]])
        _ = state.remove(ids[0], at: now)
        #expect(state.entries.isEmpty)
    }

    @Test func refreshIsNotWaitedForWhereNobodyWorks() {
        var state = ConnectionWorkerState(observesInBatches: false, callsAtOnce: 4)
        state.adopt(ids[0], of: "alice", fence: 1, kind: .observation, at: now)
        #expect(state.refresh(ids[0], as: .observation, at: now) == nil)
        state.startRunning()
        #expect(state.refresh(ids[0], as: .observation, at: now) != nil)
        #expect(state.stopRunning().count == 1)
        #expect(state.refresh(ids[0], as: .observation, at: now) == nil)
    }

    @Test func newsBeforeTheTakingOverIsKeptUntilThen() {
        var state = ConnectionWorkerState(observesInBatches: false, callsAtOnce: 4)
        state.wake(ids[0], at: now)
        state.wake(ids[1], at: now)
        state.adopt(ids[0], of: "alice", fence: 1, kind: .observation, at: now + .seconds(60))
        let (first, second) = (state.takeEarlyNews(of: ids[0]), state.takeEarlyNews(of: ids[0]))
        #expect(first && !second)
        // What is not there by now has ended.
        state.startRunning()
        state.endTakeOver()
        state.wake(ids[2], at: now)
        let (old, late) = (state.takeEarlyNews(of: ids[1]), state.takeEarlyNews(of: ids[2]))
        #expect(!old && !late)
    }
}

@Suite struct CallerTokensTests {
    private let now = Life.start

    private func ids(_ count: Int) -> [ExportID] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in ExportID(at: now, random: &generator) }
    }

    private func refuse(_ token: String, _ tokens: CallerTokens, _ id: ExportID) {
        tokens.refuse(Secret(token), for: id, at: now, pause: .seconds(60))
    }

    @Test func latestTokenCountsAndOnlyARefusedOneIsDropped() {
        let (tokens, id) = (CallerTokens(), ids(1)[0])
        #expect(tokens.keep(Secret("old"), for: id, at: now))
        #expect(tokens.keep(Secret("new"), for: id, at: now))
        refuse("old", tokens, id)
        #expect(tokens.token(for: id) == Secret("new"))
        refuse("new", tokens, id)
        #expect(tokens.token(for: id) == nil)
    }

    @Test func aRefusedOneIsKeptAgainAfterAPause() {
        let tokens = CallerTokens()
        let ids = ids(2)
        refuse("bad", tokens, ids[0])
        for moment in [now, now + .milliseconds(59_999)] {
            #expect(!tokens.keep(Secret("bad"), for: ids[0], at: moment))
        }
        #expect(tokens.token(for: ids[0]) == nil)
        // Another one, for another export, after the pause, and by a clock that was set back.
        #expect(tokens.keep(Secret("good"), for: ids[0], at: now))
        #expect(!tokens.keep(Secret("bad"), for: ids[0], at: now))
        #expect(tokens.token(for: ids[0]) == Secret("good"))
        #expect(tokens.keep(Secret("bad"), for: ids[1], at: now))
        #expect(tokens.keep(Secret("bad"), for: ids[0], at: now + .seconds(60)))
        refuse("bad", tokens, ids[0])
        #expect(tokens.keep(Secret("bad"), for: ids[0], at: now + .seconds(-1)))
    }

    @Test func whatIsRemovedIsRemovedWhole() {
        let (tokens, id) = (CallerTokens(), ids(1)[0])
        refuse("bad", tokens, id)
        tokens.remove(id)
        #expect(tokens.keep(Secret("bad"), for: id, at: now))
    }

    @Test func oldestAreEvicted() {
        let tokens = CallerTokens(capacity: 10)
        let ids = ids(100)
        for id in ids {
            _ = tokens.keep(Secret("x"), for: id, at: now)
            if id != ids[99], id < ids[50] || id > ids[50] { tokens.remove(id) }
        }
        for id in ids.suffix(10) { _ = tokens.keep(Secret("y"), for: id, at: now) }
        #expect(tokens.token(for: ids[50]) == nil)
        #expect(ids.suffix(10).allSatisfy { tokens.token(for: $0) == Secret("y") })
    }
}
