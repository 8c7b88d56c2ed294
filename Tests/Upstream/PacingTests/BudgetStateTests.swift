import Exports
import Testing
@testable import Pacing

@Suite struct BudgetStateTests {
    /// 10,000 random lives; the seed that fails is printed.
    @Test(
        "fault C1: in no window does the upstream receive more than the budget, and nobody who waits is lost",
        arguments: 0..<8
    )
    func neverTooMany(_ part: UInt64) async {
        for seed in (part * 1250)..<((part + 1) * 1250) {
            // Other tests have timers that must be served meanwhile.
            await Task.yield()
            var life = BudgetLife(seed: seed)
            life.run(steps: 60)
            #expect(life.most <= life.budget.count, "seed \(seed)")
            #expect(life.waiting.isEmpty && life.asked == life.ended, "seed \(seed)")
        }
    }

    @Test func fiveCallsOfCallersGoAtOnceAndTheSixthWhenTheFirstIsAMinuteOld() {
        var state = BudgetState(RequestBudget(5, per: .seconds(60)))
        let places = (0..<5).compactMap { _ in place(state.now(call(.caller), at: start).outcome) }
        #expect(places.count == 5)
        for place in places { state.answered(place, at: start + .milliseconds(200)) }
        let (ticket, outcome) = state.now(call(.caller), at: start + .seconds(1))
        #expect(outcome == nil)
        // A minute after the answer, and a hundredth of it more.
        #expect(state.nextChange(at: start + .seconds(1)) == .milliseconds(59_800))
        state.settle(at: start + .milliseconds(60_799))
        #expect(state.outcome(of: ticket) == nil)
        state.settle(at: start + .milliseconds(60_800))
        #expect(place(state.outcome(of: ticket)) != nil)
    }

    @Test("fault C1: a call without an answer keeps its place, however long it is on its way")
    func whatIsUnderWayKeepsItsPlace() {
        var state = BudgetState(RequestBudget(1, per: .seconds(60)))
        guard let first = place(state.now(call(.caller), at: start).outcome) else { return }
        let ticket = state.now(call(.caller), at: start).ticket
        state.settle(at: start + .seconds(100))
        #expect(state.outcome(of: ticket) == nil && state.usage(at: start + .seconds(100)).used == 1)
        #expect(state.nextChange(at: start + .seconds(100)) == .milliseconds(60_600))
        state.answered(first, at: start + .seconds(100))
        state.settle(at: start + .milliseconds(160_599))
        #expect(state.outcome(of: ticket) == nil)
        state.settle(at: start + .milliseconds(160_600))
        #expect(place(state.outcome(of: ticket)) != nil)
    }

    @Test func theBackgroundLeavesPlacesForCallers() {
        var state = BudgetState(RequestBudget(5, per: .seconds(60)))
        for _ in 0..<3 { #expect(place(state.now(call(.start), at: start).outcome) != nil) }
        let (poll, outcome) = state.now(call(.poll), at: start)
        #expect(outcome == nil)
        #expect(state.nextChange(at: start) == .milliseconds(12_120))
        for _ in 0..<2 { #expect(place(state.now(call(.caller), at: start).outcome) != nil) }
        #expect(state.outcome(of: poll) == nil)
    }

    @Test(
        "fault C3: where all classes wait, each gets its share: four, three and two of nine places"
    )
    func shares() {
        var state = BudgetState(RequestBudget(9, per: .seconds(60)))
        var waiting: [UInt64: CallPriority] = [:]
        var had: [CallPriority: Int] = [:]
        var now = start
        while had.values.reduce(0, +) < 900 {
            for priority in CallPriority.allCases where waiting.values.count(where: { $0 == priority }) < 3 {
                waiting[state.ask(call(priority), at: now)] = priority
            }
            for ticket in waiting.keys.sorted() {
                guard let place = place(state.outcome(of: ticket)) else { continue }
                state.answered(place, at: now)
                had[waiting.removeValue(forKey: ticket) ?? .poll, default: 0] += 1
            }
            now = now + max(.milliseconds(1), state.nextChange(at: now) ?? .zero)
            state.settle(at: now)
        }
        #expect((390...410).contains(had[.caller] ?? 0), "\(had)")
        #expect((290...310).contains(had[.start] ?? 0), "\(had)")
        #expect((190...210).contains(had[.poll] ?? 0), "\(had)")
    }

    @Test("fault C7: the one call of a caller comes before the many of another")
    func callersTakeTurns() {
        var state = BudgetState(RequestBudget(1, per: .seconds(1)))
        state.call(call(.poll), at: start)
        let many = (0..<100).map { state.ask(call(.poll, caller: "many", export: export($0)), at: start) }
        let one = state.ask(call(.poll, caller: "one", export: export(1000)), at: start)
        var (now, before) = (start, 0)
        while state.outcome(of: one) == nil {
            now = now + max(.milliseconds(1), state.nextChange(at: now) ?? .zero)
            state.settle(at: now)
            for ticket in many {
                guard let place = place(state.outcome(of: ticket)) else { continue }
                state.answered(place, at: now)
                before += 1
            }
        }
        #expect(before <= 1)
    }

    @Test func exportsOfACallerTakeTurns() {
        var state = BudgetState(RequestBudget(1, per: .seconds(1)))
        state.call(call(.caller), at: start)
        let many = (0..<10).map { _ in state.ask(call(.caller, caller: "c", export: export(1)), at: start) }
        let one = state.ask(call(.caller, caller: "c", export: export(2)), at: start)
        var (now, before) = (start, 0)
        while state.outcome(of: one) == nil {
            now = now + max(.milliseconds(1), state.nextChange(at: now) ?? .zero)
            state.settle(at: now)
            for ticket in many {
                guard let place = place(state.outcome(of: ticket)) else { continue }
                state.answered(place, at: now)
                before += 1
            }
        }
        #expect(before <= 1)
    }

    @Test func whoCannotGetAPlaceInTimeIsToldAtOnceAndTakesNone() {
        var state = BudgetState(RequestBudget(1, per: .seconds(10)))
        #expect(place(state.now(call(.caller), at: start).outcome) != nil)
        for _ in 0..<5 {
            guard case .queued(let place, let wait) = state.now(call(.caller, patience: .seconds(9)), at: start).outcome
            else {
                Issue.record("it was not refused")
                return
            }
            #expect(place.position == 1)
            #expect(wait >= .seconds(5) && wait <= .seconds(13))
        }
        #expect(state.waiting(.caller) == 0)
    }

    @Test func aFullQueueRefuses() {
        var state = BudgetState(RequestBudget(1, per: .seconds(1)))
        _ = state.now(call(.poll), at: start)
        for _ in 0..<BudgetState.waitersPerClass { #expect(state.now(call(.poll), at: start).outcome == nil) }
        guard case .queued = state.now(call(.poll), at: start).outcome else {
            Issue.record("it was not refused")
            return
        }
        // The other classes have queues of their own.
        #expect(state.now(call(.caller), at: start).outcome == nil)
    }

    @Test("fault C5: what a host asks for holds the calls to it, and no others")
    func holdsAreForAHost() {
        var state = BudgetState(RequestBudget(100, per: .seconds(60)))
        state.hold("files", for: .seconds(20), at: start)
        #expect(place(state.now(call(.start, host: "api"), at: start).outcome) != nil)
        #expect(place(state.now(call(.poll, host: "api"), at: start).outcome) != nil)
        #expect(
            state.now(call(.caller, host: "files", patience: .seconds(5)), at: start).outcome == .held(.seconds(20))
        )
        let (ticket, outcome) = state.now(call(.caller, host: "files", patience: .seconds(30)), at: start)
        #expect(outcome == nil)
        // Whoever waits for a held host is in nobody's way.
        #expect(place(state.now(call(.caller, host: "api"), at: start).outcome) != nil)
        state.settle(at: start + .seconds(20))
        #expect(place(state.outcome(of: ticket)) != nil)
        // A shorter wish does not end a longer one, and none is longer than an hour.
        state.hold("files", for: .seconds(86_400), at: start + .seconds(20))
        state.hold("files", for: .seconds(1), at: start + .seconds(20))
        #expect(state.hold(of: "files", at: start + .seconds(20)) == .seconds(3600))
    }

    @Test("fault C1: after a 429 half of the calls are made, and a tenth comes back with each quiet minute")
    func slowsDown() {
        var state = BudgetState(RequestBudget(10, per: .seconds(60)))
        let places = (0..<4).compactMap { _ in place(state.now(call(.caller), at: start).outcome) }
        for place in places { state.throttled(place, at: start + .seconds(1)) }
        // Those that were under way together count once.
        #expect(state.usage(at: start + .seconds(1)).limit == 5)
        for place in places { state.answered(place, at: start + .seconds(1)) }
        #expect(place(state.now(call(.caller), at: start + .seconds(1)).outcome) != nil)
        #expect(state.now(call(.caller), at: start + .seconds(1)).outcome == nil)
        #expect(state.usage(at: start + .seconds(61)).limit == 6)
        #expect(state.usage(at: start + .seconds(1000)).limit == 10)
    }

    @Test func aClockThatIsSetBackProlongsNothing() {
        var state = BudgetState(RequestBudget(1, per: .seconds(10)))
        guard let place = place(state.now(call(.caller), at: start).outcome) else { return }
        state.answered(place, at: start)
        let (ticket, _) = state.now(call(.caller), at: start + .seconds(-7200))
        #expect(state.nextChange(at: start + .seconds(-7200)) == .milliseconds(10_100))
        state.settle(at: start + .seconds(-7189))
        #expect(PacingTests.place(state.outcome(of: ticket)) != nil)
    }

    @Test func whoLeavesIsNotServed() {
        var state = BudgetState(RequestBudget(1, per: .seconds(10)))
        guard let first = place(state.now(call(.caller), at: start).outcome) else { return }
        let (second, _) = state.now(call(.caller), at: start)
        let (third, _) = state.now(call(.caller), at: start)
        state.leave(second, at: start)
        state.giveBack(first, at: start)
        #expect(state.outcome(of: second) == nil)
        #expect(place(state.outcome(of: third)) != nil)
    }

    @Test("fault C2: starts that are sent back keep their place, come when it comes, and take turns between callers")
    func startsKeepTheirPlace() {
        var state = BudgetState(RequestBudget(5, per: .seconds(60)))
        var due: [(at: Timestamp, export: ExportID, caller: String)] = (0..<40).map { (start, export($0), "many") }
        due.append((start + .milliseconds(1), export(999), "one"))
        var waiting: [UInt64: (export: ExportID, caller: String)] = [:]
        var (started, questions, now): ([ExportID], Int, Timestamp) = ([], 0, start)
        var (mostWaiting, lastStart) = (0, start)
        while started.count < 41, now < start + .seconds(3600) {
            for item in due where item.at <= now {
                questions += 1
                let ticket = state.ask(
                    call(.start, caller: item.caller, export: item.export, patience: .seconds(5)),
                    at: now
                )
                waiting[ticket] = (item.export, item.caller)
            }
            due.removeAll { $0.at <= now }
            for ticket in waiting.keys.sorted() {
                switch state.outcome(of: ticket) {
                case .admitted(let place):
                    state.answered(place, at: now)
                    if let item = waiting.removeValue(forKey: ticket) { started.append(item.export) }
                    lastStart = now
                case .queued(_, let wait):
                    if let item = waiting.removeValue(forKey: ticket) {
                        due.append((now + wait, item.export, item.caller))
                    }
                case .held, nil: break
                }
            }
            mostWaiting = max(mostWaiting, waiting.count)
            let next = min(due.map(\.at).min() ?? now + .seconds(60), now + (state.nextChange(at: now) ?? .seconds(60)))
            now = max(now + .milliseconds(1), next)
            state.settle(at: now)
        }
        #expect(started.count == 41)
        #expect((started.firstIndex(of: export(999)) ?? 41) <= 6)
        // The whole budget was used: five a minute.
        #expect(lastStart <= start + .seconds(41 * 13), "\(lastStart - start)")
        #expect(mostWaiting <= 4)
        #expect(questions <= 41 * 8)
        #expect(state.queueLength(.start) == 0)
    }

    @Test func withoutABudgetNobodyWaits() {
        var state = BudgetState(nil)
        for _ in 0..<1000 { #expect(place(state.now(call(.poll), at: start).outcome) == 0) }
        state.hold("h", for: .seconds(5), at: start)
        let (ticket, outcome) = state.now(call(.poll), at: start)
        #expect(outcome == nil)
        state.settle(at: start + .seconds(5))
        #expect(place(state.outcome(of: ticket)) != nil)
    }

    @Test func aBudgetOfNothingIsABudgetOfOne() {
        var state = BudgetState(RequestBudget(0, per: .seconds(1)))
        #expect(place(state.now(call(.caller), at: start).outcome) != nil)
        #expect(state.now(call(.caller), at: start).outcome == nil)
    }
}
