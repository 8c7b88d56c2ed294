import ExportLedger
import Exports
import ManualClock
import Synchronization
import Testing
import TestSupport

@testable import ExportEngine

/// What the gateway's own request budget holds back: its deadlines do not run, and it comes to an end all the same.
@Suite(.timeLimit(.minutes(2))) struct HeldBackTests {
    static func noPlace(_ wait: Duration = .seconds(60)) -> ProviderError {
        var error = ProviderError(.throttled, "No place yet.", problem: .queued, retryAfter: wait)
        error.queue = QueuePlace(position: 3, estimatedWait: wait)
        return error
    }

    @Test("fault C2: an export whose polls never find a place ends, and not before twice its time")
    func trackingEnds() async throws {
        var settings = EngineSettings()
        settings.trackingDeadline = .seconds(3600)
        let bench = try Bench(settings: settings)
        bench.provider.set { $0.onObserve = { _ in .failure(Self.noPlace()) } }
        try await bench.running {
            let id = try await bench.create()
            let begun = bench.time.now()
            let record = try await bench.drive(id, by: .seconds(10))
            #expect(record.export.status == .failed)
            #expect(record.export.error?.code == .trackingTimedOut)
            #expect(record.export.error?.detail.contains("own request budget") == true)
            let took = bench.time.now() - begun
            #expect(took >= .seconds(7000) && took <= .seconds(7600), "\(took)")
        }
        #expect(bench.provider.left.all.contains { if case .export = $0 { true } else { false } })
    }

    @Test("fault C2: the time in which the budget held an export back is no time of the upstream's")
    func heldTimeDoesNotCount() async throws {
        var settings = EngineSettings()
        settings.trackingDeadline = .seconds(3600)
        let bench = try Bench(settings: settings)
        let now = bench.time.now
        let begun = now()
        bench.provider.set {
            // For 50 minutes, nobody can be asked; then the upstream says for 50 minutes that the job runs.
            $0.onObserve = { _ in
                switch now() - begun {
                case ..<Duration.seconds(3000): .failure(Self.noPlace())
                case ..<Duration.seconds(6000): .success(Observation(.running, upstreamStatus: "Running"))
                default: .success(.succeeded())
                }
            }
        }
        try await bench.running {
            let id = try await bench.create()
            let record = try await bench.drive(id, by: .seconds(10))
            #expect(record.export.status == .succeeded)
        }
    }

    @Test(
        "fault C2: what the upstream says now and then is not taken for what it said all the time",
        arguments: [true, false]
    )
    func heldTimeDoesNotCountBetweenAnswers(_ isMissing: Bool) async throws {
        let bench = try Bench()
        let now = bench.time.now
        let answers = Mutex<(last: Timestamp, strays: Int)>((now(), 0))
        // Each answer comes after two hours in which the budget had no place for it.
        bench.provider.set {
            $0.onObserve = { _ in
                answers.withLock { answers in
                    guard now() - answers.last >= .seconds(7200) else { return .failure(Self.noPlace()) }
                    answers.last = now()
                    answers.strays += 1
                    guard answers.strays <= 2 else { return .success(.succeeded()) }
                    return isMissing
                        ? .failure(ProviderError(.notFound, "404"))
                        : .success(Observation(.unknown, upstreamStatus: "Odd"))
                }
            }
        }
        try await bench.running {
            let id = try await bench.create()
            let record = try await bench.drive(id, by: .seconds(10))
            #expect(record.export.status == .succeeded)
        }
        #expect(answers.withLock { $0.strays } == 3)
    }

    @Test func aReconciliationThatNeverFindsAPlaceEnds() async throws {
        var settings = EngineSettings()
        settings.reconcileDeadline = .seconds(1800)
        let bench = try Bench(settings: settings) { $0.reconcile = true }
        bench.provider.set {
            $0.onSubmit = { _ in ProviderError(.ambiguous, "504") }
            $0.onReconcile = { _ in .failure(Self.noPlace()) }
        }
        try await bench.running {
            let id = try await bench.create()
            let begun = bench.time.now()
            let given = try await bench.drive(id, by: .seconds(10)) { $0.export.completedAt != nil }
            #expect(given.export.status == .unknown && given.phase == .submitting)
            #expect(given.export.error?.code == .submissionUnconfirmed)
            #expect(bench.time.now() - begun >= .seconds(3500))
            #expect(bench.time.now() - begun <= .seconds(3800))
            // It is looked for on, and that has an end too.
            let last = try await bench.drive(id, by: .seconds(30))
            #expect(last.phase == .settled)
            #expect(bench.time.now() - begun <= .seconds(16 * 1800 + 300))
        }
    }

    /// A caller who asks for one export with `no-cache` does not make the whole list urgent.
    @Test func onlyWhatACallerWaitsForIsUrgent() async throws {
        let bench = try Bench { $0.batchObserve = true }
        let seen = Mutex<[(priority: CallPriority, work: PacedWork?)]>([])
        bench.provider.set {
            $0.onCall = { call, context in
                guard call == .observe else { return }
                seen.withLock { $0.append((context.priority, context.work)) }
            }
        }
        try await bench.running {
            var ids: [ExportID] = []
            for _ in 0..<3 { ids.append(try await bench.create()) }
            // By then polls are further apart than questions with `no-cache` may be.
            for id in ids { _ = try await bench.drive(id) { $0.progress.polls >= 5 } }
            await bench.idle()
            bench.time.advance(by: .seconds(6))
            let before = seen.withLock { $0.count }
            let first = ids[0]
            _ = try await bench.engine.export(first, for: .owner(), refresh: true)
            let calls = seen.withLock { Array($0.dropFirst(before)) }
            for call in calls where call.priority == .caller { #expect(call.work == .export(first)) }
            #expect(calls.contains { $0.priority == .caller })
        }
    }

    @Test func aRefreshDoesNotWaitForTheEndOfALongList() {
        var generator = SeededRandom(seed: 3)
        let now = Timestamp(milliseconds: 1_780_000_000_000)
        let ids = (0..<3).map { _ in ExportID(at: now, random: &generator) }
        var state = ConnectionWorkerState(observesInBatches: true, callsAtOnce: 4)
        state.startRunning()
        for id in ids.prefix(2) { state.adopt(id, of: "alice", fence: 1, kind: .observation, at: now) }
        state.adopt(ids[2], of: "bob", fence: 1, kind: .observation, at: now + .seconds(3600))
        #expect(state.takeWork(at: now).work.observations.map { Set($0) } == [Set(ids.prefix(2))])
        // The list is under way.
        #expect(state.refresh(ids[2], as: .observation, at: now) != nil)
        let work = state.takeWork(at: now).work
        #expect(work.refreshes == [[ids[2]]] && work.observations.isEmpty)
        state.workIsDone(.refresh)
        #expect(state.release(ids[2], until: (.observation, now + .seconds(60)), at: now).count == 1)
    }

    @Test("fault C3: what becomes due while a list has no place in the budget goes into that list")
    func whatIsDueMeanwhileGoesIntoTheSameList() {
        var generator = SeededRandom(seed: 4)
        let now = Timestamp(milliseconds: 1_780_000_000_000)
        let ids = (0..<5).map { _ in ExportID(at: now, random: &generator) }
        let starting = ExportID(at: now, random: &generator)
        var state = ConnectionWorkerState(observesInBatches: true, callsAtOnce: 4)
        state.startRunning()
        for (id, seconds) in zip(ids, [0, 10, 20, 80, 100]) {
            state.adopt(id, of: "alice", fence: 1, kind: .observation, at: now + .seconds(seconds))
        }
        state.adopt(starting, of: "alice", fence: 1, kind: .submission, at: now + .seconds(70))
        #expect(state.takeWork(at: now).work.observations == [[ids[0]]])
        #expect(state.sentBack(ids[0], at: now) == .none)
        state.holdObservations(until: now + .seconds(30), at: now)
        _ = state.release(ids[0], until: (.observation, now + .seconds(30)), at: now)
        state.workIsDone(.observation)
        let (work, next) = state.takeWork(at: now + .seconds(20))
        #expect(work.isEmpty && next == now + .seconds(30))
        // Whoever wants newer word of one of them does not wait for the list.
        #expect(state.refresh(ids[2], as: .observation, at: now + .seconds(20)) != nil)
        #expect(state.takeWork(at: now + .seconds(20)).work.refreshes == [[ids[2]]])
        let list = state.takeWork(at: now + .seconds(30)).work
        #expect(list.observations.map { Set($0) } == [[ids[0], ids[1], ids[3]]] && list.refreshes.isEmpty)
        // One that would need another list soon goes into this one, and nothing else does.
        #expect(state.takeWork(at: now + .seconds(69)).work.isEmpty)
        #expect(state.takeWork(at: now + .seconds(70)).work.submissions == [starting])
        // The time was ours for both.
        for (id, seconds) in zip(ids, [30, 20]) {
            let held = HeldTime(inAll: .seconds(seconds), sinceAnswer: .seconds(seconds))
            #expect(state.wasAsked(id, after: .zero, at: now + .seconds(30)) == held)
            #expect(state.wasAsked(id, after: .seconds(3), at: now + .seconds(60)).sinceAnswer == .seconds(3))
        }
    }

    @Test("fault C8: who asks again and again for newer word does not take the export out of the list")
    func anEagerCallerLeavesTheExportInTheList() {
        var generator = SeededRandom(seed: 5)
        let now = Timestamp(milliseconds: 1_780_000_000_000)
        let ids = (0..<3).map { _ in ExportID(at: now, random: &generator) }
        var state = ConnectionWorkerState(observesInBatches: true, callsAtOnce: 4)
        state.startRunning()
        state.holdObservations(until: now + .seconds(30), at: now)
        for id in ids { state.adopt(id, of: "alice", fence: 1, kind: .observation, at: now) }
        #expect(state.takeWork(at: now).work.isEmpty)
        for second in 1..<30 {
            let time = now + .seconds(second)
            #expect(state.refresh(ids[0], as: .observation, at: time) != nil)
            #expect(state.takeWork(at: time).work.refreshes == [[ids[0]]])
            _ = state.takeRefresh(ids[0])
            _ = state.sentBack(ids[0], at: time)
            #expect(state.release(ids[0], until: (.observation, now), at: time).count == 1)
            state.workIsDone(.refresh)
            #expect(state.takeWork(at: time).work.isEmpty)
            #expect(state.waiting(.observation) == 3)
        }
        let list = state.takeWork(at: now + .seconds(30)).work.observations
        #expect(list.map { Set($0) } == [Set(ids)] && list.joined().count == 3)
        #expect(state.waiting(.observation) == 0)
    }

    @Test("fault C8: an export whose caller asks every second is polled, and ends", arguments: [true, false])
    func anEagerCallersExportIsPolled(_ isInBatches: Bool) async throws {
        let bench = try Bench { $0.batchObserve = isInBatches }
        let now = bench.time.now
        let polls = Mutex<(isPoll: Bool, since: Timestamp?, asked: Int)>((false, nil, 0))
        // Callers take all there is, and the background has its place a minute after it has come for it first.
        bench.provider.set {
            $0.onCall = { call, context in
                if call == .observe { polls.withLock { $0.isPoll = context.priority == .poll } }
            }
            $0.onObserve = { _ in
                polls.withLock { polls in
                    guard polls.isPoll else { return .failure(Self.noPlace(.seconds(40))) }
                    let since = polls.since ?? now()
                    polls.since = since
                    guard now() - since >= .seconds(60) else { return .failure(Self.noPlace(.seconds(20))) }
                    polls.asked += 1
                    return .success(.succeeded())
                }
            }
        }
        try await bench.running {
            let id = try await bench.create()
            _ = try await bench.drive(id) { $0.isTracked }
            let eager = Task {
                while !Task.isCancelled {
                    _ = try await bench.engine.export(id, for: .owner(), refresh: true)
                    try await bench.time.sleep(for: .seconds(1))
                }
            }
            let begun = now()
            let record = try await bench.drive(id)
            eager.cancel()
            _ = await eager.result
            #expect(record.export.status == .succeeded)
            #expect(now() - begun <= .seconds(180), "\(now() - begun)")
        }
        #expect(polls.withLock { $0.asked } == 1)
    }

    @Test("fault C2: what is past its time for another reason is asked for before it ends")
    func whatIsPastItsTimeIsAskedForFirst() async throws {
        var settings = EngineSettings()
        settings.trackingDeadline = .seconds(3600)
        let bench = try Bench(settings: settings)
        let id = try await bench.running {
            let id = try await bench.create()
            _ = try await bench.drive(id) { $0.isTracked }
            return id
        }
        // The gateway was down for a day, and at first the budget has no place.
        bench.time.advance(by: .seconds(86_400))
        let second = try bench.restarted()
        let made = second.provider.count(.observe)
        second.provider.set {
            $0.onObserve = { number in number <= made + 3 ? .failure(Self.noPlace()) : .success(.succeeded()) }
        }
        try await second.running {
            let record = try await second.drive(id, by: .seconds(10))
            #expect(record.export.status == .succeeded)
        }
    }

    @Test func aSuccessWhoseFilesAreLookedForDoesNotFail() async throws {
        var settings = EngineSettings()
        settings.trackingDeadline = .seconds(600)
        settings.longestFileLag = .seconds(7200)
        let bench = try Bench(settings: settings)
        bench.provider.set {
            $0.onObserve = { number in
                guard number < 30 else { return .failure(Self.noPlace()) }
                var observation = Observation(.succeeded, upstreamStatus: "succeeded")
                observation.filesPending = true
                return .success(observation)
            }
        }
        try await bench.running {
            let id = try await bench.create()
            let record = try await bench.drive(id, by: .seconds(10))
            #expect(record.export.status == .succeeded)
            #expect(record.export.notice?.code == .filesMissing)
        }
    }

    @Test func aCallersWeightIsItsShareOfTheTurns() {
        var queue = FairQueue<String, Int>(weight: { $0 == "heavy" ? 3 : $0 == "none" ? 0 : 1 })
        for number in 0..<12 {
            queue.append(number, of: "heavy")
            queue.append(100 + number, of: "light")
        }
        queue.append(1000, of: "none")
        #expect(queue.popFirst(9) == [0, 1, 2, 100, 1000, 3, 4, 5, 101])
        #expect(queue.popFirst(6) == [6, 7, 8, 102, 9, 10])
        #expect(queue.popFirst(100) == [11, 103, 104, 105, 106, 107, 108, 109, 110, 111] && queue.isEmpty)
    }
}
