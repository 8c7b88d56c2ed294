import Exports
import Testing
import TestSupport
@testable import Pacing

/// Work that asks, waits, is sent back and comes again, as the engine does it; the upstream answers at once.
private struct Players {
    struct Player {
        var call: PacedCall
        /// How many calls its piece of work takes.
        var calls = 1
        var due = start
        var made = 0
        var order: UInt64?
        var ended: Timestamp?
        /// How often its work began again.
        var begun = 0
    }

    var state: BudgetState
    var players: [Player] = []
    var now = start
    private var waiting: [UInt64: Int] = [:]

    init(_ budget: RequestBudget) { state = BudgetState(budget) }

    mutating func run(until end: Timestamp) async {
        var steps = 0
        while now < end, players.contains(where: { $0.ended == nil && $0.calls < .max }) {
            steps += 1
            // Other tests have timers that must be served meanwhile.
            if steps.isMultiple(of: 128) { await Task.yield() }
            for index in players.indices where players[index].ended == nil && players[index].due <= now {
                var call = players[index].call
                if let order = players[index].order {
                    call.continues = order
                    call.patience = BudgetState.longestWait
                }
                players[index].due = end
                waiting[state.ask(call, at: now)] = index
            }
            collect()
            let due = players.filter { $0.ended == nil }.map(\.due).min() ?? end
            now = max(now + .milliseconds(1), min(due, now + (state.nextChange(at: now) ?? .seconds(600))))
            state.settle(at: now)
            collect()
        }
    }

    private mutating func collect() {
        for ticket in waiting.keys.sorted() {
            guard let outcome = state.outcome(of: ticket), let index = waiting.removeValue(forKey: ticket) else {
                continue
            }
            var player = players[index]
            switch outcome {
            case .admitted(let place):
                state.answered(place, at: now)
                if player.order == nil { player.begun += 1 }
                player.order = player.order ?? place
                player.made += 1
                player.due = now + .milliseconds(50)
                if player.made == player.calls { player.ended = now }
            case .queued(_, let wait), .held(let wait):
                (player.made, player.order) = (0, nil)
                player.due = now + wait
            }
            players[index] = player
        }
    }
}

@Suite struct LineTests {
    private func id(_ number: UInt64) -> ExportID {
        var generator = SeededRandom(seed: number)
        return ExportID(at: start, random: &generator)
    }

    private func poll(
        _ number: UInt64,
        caller: String = "c",
        weight: Int = 1,
        patience: Duration = .seconds(5)
    ) -> PacedCall {
        PacedCall(.poll, host: "h", caller: caller, weight: weight, work: .export(id(number)), patience: patience)
    }

    /// One call a minute, which callers and starts want too: the hardest case that can be configured.
    @Test("fault C3: work of many calls comes to its end, also at one call a minute", arguments: [1, 5, 60])
    func longWorkEnds(_ perMinute: Int) async {
        var players = Players(RequestBudget(perMinute, per: .seconds(60)))
        // Six lists of many pages, with five seconds for a place, as many as a connection works on at once and more.
        for number in 0..<6 { players.players.append(.init(call: poll(UInt64(number)), calls: 25)) }
        // Callers and starts that never end.
        for (number, priority) in [CallPriority.caller, .caller, .start, .start].enumerated() {
            let call = PacedCall(
                priority,
                host: "h",
                caller: "other",
                work: priority == .start ? .export(id(100 + UInt64(number))) : nil,
                patience: .seconds(30)
            )
            players.players.append(.init(call: call, calls: .max))
        }
        await players.run(until: start + .seconds(3 * 86_400))
        for player in players.players.prefix(6) {
            #expect(player.ended != nil, "begun \(player.begun) times, \(player.made) calls")
            // Six at a time are more than one place a minute can keep under way: the oldest go on, the others begin again.
            #expect(player.begun <= (perMinute == 1 ? 40 : 6))
        }
    }

    @Test func otherWorkHasOneOfThreePlacesWhileALongListIsRead() async {
        var players = Players(RequestBudget(5, per: .seconds(60)))
        players.players.append(.init(call: poll(1), calls: 40))
        await players.run(until: start + .seconds(70))
        for number in 2..<8 { players.players.append(.init(call: poll(UInt64(number)), due: players.now)) }
        let begun = players.now
        await players.run(until: begun + .seconds(900))
        let ended = players.players.dropFirst().compactMap(\.ended)
        #expect(ended.count == 6)
        // A place of the background every 12 seconds, one of three of them.
        #expect(ended.allSatisfy { $0 <= begun + .seconds(6 * 3 * 13 + 13) }, "\(ended.map { $0 - begun })")
    }

    @Test func callersHavePlacesByTheirWeights() {
        var state = BudgetState(RequestBudget(1, per: .seconds(1)))
        state.call(poll(0, patience: .seconds(3600)), at: start)
        var tickets: [UInt64: String] = [:]
        for number in 1...60 {
            tickets[state.ask(poll(UInt64(number), caller: "heavy", weight: 3, patience: .seconds(3600)), at: start)] =
                "heavy"
            tickets[state.ask(poll(UInt64(1000 + number), caller: "light", patience: .seconds(3600)), at: start)] =
                "light"
        }
        var (now, served): (Timestamp, [String]) = (start, [])
        while served.count < 40 {
            now = now + max(.milliseconds(1), state.nextChange(at: now) ?? .zero)
            state.settle(at: now)
            for ticket in tickets.keys.sorted() {
                guard case .admitted(let place) = state.outcome(of: ticket) else { continue }
                state.answered(place, at: now)
                served.append(tickets[ticket] ?? "")
            }
        }
        #expect(served.count { $0 == "heavy" } == 30)
        // And not all of the heavy one's first.
        #expect(served.prefix(4).contains("light"))
    }

    private func download(_ caller: String, weight: Int = 1, patience: Duration = .seconds(30)) -> PacedCall {
        PacedCall(.caller, host: "h", caller: caller, weight: weight, patience: patience)
    }

    @Test("fault C7: a caller with many calls at once shuts no other out")
    func manyCallsOfACallerShutNobodyOut() {
        var state = BudgetState(RequestBudget(1, per: .seconds(20)))
        state.call(download("busy"), at: start)
        let waiting = state.ask(download("busy"), at: start)
        for _ in 0..<20 {
            guard case .queued = state.outcome(of: state.ask(download("busy"), at: start)) else {
                Issue.record("there is no place for it in time")
                return
            }
        }
        // The one place that there is in time is the other's: the busy one has had its turn.
        let other = state.ask(download("other"), at: start + .seconds(1))
        #expect(state.outcome(of: other) == nil)
        state.settle(at: start + .milliseconds(20_200))
        guard case .admitted(let place) = state.outcome(of: other) else {
            Issue.record("it was not admitted")
            return
        }
        state.answered(place, at: start + .milliseconds(20_200))
        #expect(state.outcome(of: waiting) == nil)
        state.settle(at: start + .seconds(30))
        guard case .queued(let first, _) = state.outcome(of: waiting) else {
            Issue.record("it waits for longer than it has patience")
            return
        }
        #expect(first.position == 1)
    }

    @Test func aCallersCallStandsWhereItsTurnIs() {
        var state = BudgetState(RequestBudget(1, per: .seconds(10)))
        state.call(download("nobody"), at: start)
        for _ in 0..<12 { _ = state.ask(download("busy", patience: .seconds(3600)), at: start) }
        func position(_ caller: String, weight: Int = 1) -> Int? {
            let call = download(caller, weight: weight, patience: .milliseconds(1))
            guard case .queued(let place, _) = state.outcome(of: state.ask(call, at: start)) else { return nil }
            return place.position
        }
        #expect(position("busy") == 13)
        #expect(position("other") == 2)
        for expected in [2, 4, 6] {
            #expect(position("other") == expected)
            _ = state.ask(download("other", patience: .seconds(3600)), at: start)
        }
        // Two of each other one have their turn before the fourth of a caller with the weight 3, and its own three.
        for _ in 0..<3 { _ = state.ask(download("heavy", weight: 3, patience: .seconds(3600)), at: start) }
        #expect(position("heavy", weight: 3) == 8)
    }

    @Test func aPositionCountsWeights() {
        var state = BudgetState(RequestBudget(1, per: .seconds(60)))
        _ = state.ask(PacedCall(.start, host: "h", caller: "x", patience: .seconds(1)), at: start)
        func position(_ number: UInt64, _ caller: String, _ weight: Int) -> Int? {
            let call = PacedCall(
                .start,
                host: "h",
                caller: caller,
                weight: weight,
                work: .export(id(number)),
                patience: .seconds(5)
            )
            guard case .queued(let place, _) = state.outcome(of: state.ask(call, at: start)) else { return nil }
            return place.position
        }
        for number in 0..<30 { _ = position(UInt64(number), "light", 1) }
        let heavy = (0..<9).map { position(UInt64(100 + $0), "heavy", 3) }
        // Three of its own go for one of the other.
        #expect(heavy == [1, 2, 4, 5, 6, 8, 9, 10, 12])
    }

    @Test("fault C5: whoever is held by a Retry-After keeps its place in the line")
    func heldOnesKeepTheirPlace() {
        var state = BudgetState(RequestBudget(1, per: .seconds(20)))
        _ = state.ask(poll(0, patience: .seconds(3600)), at: start)
        guard case .queued(let place, _) = state.outcome(of: state.ask(poll(1), at: start)) else { return }
        #expect(place.position == 1)
        state.hold("h", for: .seconds(60), at: start)
        guard case .held = state.outcome(of: state.ask(poll(1), at: start + .seconds(1))) else {
            Issue.record("it was not held")
            return
        }
        // Another one comes while the first is away.
        var other = poll(2)
        other.host = "another"
        guard case .queued(let second, _) = state.outcome(of: state.ask(other, at: start + .seconds(2))) else { return }
        #expect(second.position == 2)
        #expect(state.queueLength(.poll) == 2)
    }

    @Test func aFurtherCallThatIsGivenUpTakesNoPlaceOfTheNextPiece() {
        var state = BudgetState(RequestBudget(1, per: .seconds(20)))
        state.call(poll(0, patience: .seconds(3600)), at: start)
        guard case .queued = state.outcome(of: state.ask(poll(1), at: start)) else { return }
        var further = poll(1, patience: .seconds(600))
        further.continues = 1
        let ticket = state.ask(further, at: start)
        #expect(state.outcome(of: ticket) == nil)
        state.leave(ticket, at: start)
        #expect(state.queueLength(.poll) == 1)
        guard case .queued(let other, _) = state.outcome(of: state.ask(poll(2), at: start)) else { return }
        #expect(other.position == 2)
    }

    @Test func whoWaitsInVainKeepsItsPlace() {
        var state = BudgetState(RequestBudget(1, per: .seconds(10)))
        // The first takes the place, the second waits for the next one, and a caller takes that.
        state.call(PacedCall(.caller, host: "h", patience: .seconds(60)), at: start)
        _ = state.ask(PacedCall(.caller, host: "h", patience: .seconds(60)), at: start)
        let first = state.ask(poll(1, patience: .seconds(20)), at: start)
        #expect(state.outcome(of: first) == nil)
        state.settle(at: start + .seconds(20))
        guard case .queued(let place, _) = state.outcome(of: first) else {
            Issue.record("it was not sent back")
            return
        }
        #expect(place.position == 1)
        let second = state.ask(poll(2, patience: .milliseconds(1)), at: start + .seconds(20))
        guard case .queued(let other, _) = state.outcome(of: second) else { return }
        #expect(other.position == 2)
    }

    @Test func nobodyIsAwayForLong() {
        var state = BudgetState(RequestBudget(1, per: .seconds(60)))
        _ = state.ask(PacedCall(.start, host: "h", patience: .seconds(1)), at: start)
        for number in 0..<500 {
            let call = PacedCall(
                .start,
                host: "h",
                caller: "c",
                work: .export(id(UInt64(number))),
                patience: .seconds(5)
            )
            guard case .queued(let place, let wait) = state.outcome(of: state.ask(call, at: start)) else {
                Issue.record("it was not sent back")
                return
            }
            #expect(wait <= BudgetState.longestAway)
            #expect(place.position == number + 1 && place.estimatedWait >= .seconds(60) * number)
        }
        // What is let go of leaves its place to the others.
        for number in 0..<499 { state.remove(.export(id(UInt64(number)))) }
        #expect(state.queueLength(.start) == 1)
        let last = PacedCall(.start, host: "h", caller: "c", work: .export(id(499)), patience: .seconds(5))
        let ticket = state.ask(last, at: start + .seconds(1))
        // It is next, and waits here.
        #expect(state.outcome(of: ticket) == nil)
        state.leave(ticket, at: start + .seconds(1))
        #expect(state.queueLength(.start) == 0)
    }
}
