import ExportLedger
import Exports
import Testing
import TestSupport

@testable import ExportEngine

@Suite struct FairQueueTests {
    @Test func ownersTakeTurns() {
        var queue = FairQueue<String, Int>()
        for number in 0..<1500 { queue.append(number, of: "many") }
        queue.append(9000, of: "one")
        queue.append(9001, of: "one")
        #expect(queue.count == 1502)
        #expect(queue.popFirst(5) == [0, 9000, 1, 9001, 2])
        #expect(queue.popFirst(2000) == Array(3..<1500))
        #expect(queue.isEmpty && queue.popFirst() == nil)
    }

    @Test func whoComesBackTakesTheLastTurn() {
        var queue = FairQueue<String, Int>()
        queue.append(1, of: "a")
        #expect(queue.popFirst() == 1)
        queue.append(2, of: "b")
        queue.append(3, of: "b")
        queue.append(4, of: "a")
        #expect(queue.popFirst(4) == [2, 4, 3])
    }

    /// Whatever comes and goes: nothing is lost or given twice, each owner's come in order, and nobody is passed over.
    @Test func nothingIsLostAndNobodyIsPassedOver() {
        var random = SeededRandom(seed: 7)
        var queue = FairQueue<Int, Int>()
        var waiting: [Int: [Int]] = [:]
        var passed: [Int: Int] = [:]
        for number in 0..<20_000 {
            if Bool.random(using: &random) || waiting.isEmpty {
                let owner = Int.random(in: 0..<8, using: &random)
                queue.append(number, of: owner)
                waiting[owner, default: []].append(number)
            } else {
                let taken = queue.popFirst()
                guard let owner = waiting.first(where: { $0.value.first == taken })?.key else {
                    Issue.record("\(String(describing: taken)) is nobody's first")
                    return
                }
                waiting[owner]?.removeFirst()
                if waiting[owner]?.isEmpty == true { waiting[owner] = nil }
                for other in waiting.keys { passed[other, default: 0] += 1 }
                passed[owner] = 0
                #expect(passed.values.allSatisfy { $0 <= 8 })
            }
            #expect(queue.count == waiting.values.reduce(0) { $0 + $1.count })
        }
    }
}

@Suite struct SchedulingTests {
    private let now = Life.start

    private func ids(_ count: Int) -> [ExportID] {
        var generator = SeededRandom(seed: 3)
        return (0..<count).map { _ in ExportID(at: now, random: &generator) }
    }

    @Test func overtakenTimesDoNotPileUp() {
        var queue = DueQueue()
        let ids = ids(100)
        for round in 0..<1000 {
            for id in ids { queue.set(id, at: now + .seconds(100_000 - round)) }
        }
        #expect(queue.count == 100 && queue.itemCount <= 2 * 100 + 64)
        #expect(queue.popDue(at: now + .seconds(99_000)) == nil)
        #expect(queue.nextTime() == now + .seconds(99_001))
    }

    @Test func oneStartIsNotBehindAThousandOfAnother() {
        var state = ConnectionWorkerState(observesInBatches: false, callsAtOnce: 4)
        let ids = ids(1501)
        for id in ids.dropLast() { state.adopt(id, of: "many", fence: 1, kind: .submission, at: now) }
        state.adopt(ids[1500], of: "one", fence: 1, kind: .submission, at: now)
        var started: [ExportID] = []
        while started.count < 12 {
            let work = state.takeWork(at: now).work
            started += work.submissions
            for id in work.submissions {
                _ = state.remove(id, at: now)
                state.workIsDone(.submission)
            }
        }
        #expect(started.contains(ids[1500]))
    }

    @Test func whatIsDueIsTakenInBoundedBatches() {
        var state = ConnectionWorkerState(observesInBatches: true, callsAtOnce: 4)
        for id in ids(2500) { state.adopt(id, of: "alice", fence: 1, kind: .observation, at: now) }
        var sizes: [Int] = []
        for _ in 0..<3 {
            let (work, next) = state.takeWork(at: now)
            sizes += work.observations.map(\.count)
            if sizes.count < 3 { #expect(next == now) }
            state.workIsDone(.observation)
        }
        #expect(sizes == [1000, 1000, 500])
    }

    @Test func lateObservationsAreToldByHowMuch() {
        var state = ConnectionWorkerState(observesInBatches: false, callsAtOnce: 1)
        let ids = ids(2)
        for id in ids { state.adopt(id, of: "alice", fence: 1, kind: .observation, at: now) }
        #expect(state.takeWork(at: now + .seconds(3)).work.lags == [.seconds(3)])
        #expect(state.waiting(.observation) == 1 && state.waiting(.submission) == 0)
        state.workIsDone(.observation)
        #expect(state.takeWork(at: now + .seconds(5)).work.lags == [.seconds(5)])
        #expect(state.waiting(.observation) == 0)
    }

    @Test func retryAfterIsSpread() {
        let life = Life().life
        var waits: Set<Duration> = []
        for jitter in [0, 0.5, 0.99] {
            var record = LedgerRecord.testing()
            record.phase = .tracking
            life.apply(
                .observationFailed(ProviderError(.throttled, "Too many.", retryAfter: .seconds(80))),
                to: &record,
                at: now,
                jitter: jitter
            )
            if let next = record.nextActionAt { waits.insert(next - now) }
        }
        #expect(waits.count == 3 && waits.allSatisfy { $0 >= .seconds(80) && $0 < .seconds(90) })
    }
}
