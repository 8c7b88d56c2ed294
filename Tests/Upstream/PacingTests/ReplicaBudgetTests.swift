import Exports
import Testing

@testable import Pacing

@Suite struct ReplicaBudgetTests {
    /// 400 random lives; the seed that fails is printed.
    @Test(
        "fault C1: replicas that share a budget together send no more than it, whoever is lost, stopped or cut off",
        arguments: 0..<8
    )
    func neverTooMany(_ part: UInt64) async {
        var (remote, leaders) = (0, 0)
        for seed in (part * 50)..<((part + 1) * 50) {
            // Other tests have timers that must be served meanwhile.
            await Task.yield()
            var life = ReplicaLife(seed: seed)
            life.run(for: 300_000)
            #expect(life.most <= life.budget.count, "seed \(seed)")
            let waiting = life.replicas.map(\.waiting.count).reduce(0, +)
            #expect(waiting == 0, "seed \(seed)")
            remote += life.remote
            leaders += life.leaders.count
        }
        // The lives are not without what they are about.
        #expect(remote > 150 && leaders > 70, "\(remote) calls of followers, \(leaders) leaders")
    }

    @Test func theSameLivesFindALeaderThatIgnoresWhatTheFormerOneSpent() async {
        var found = 0
        for seed in 0..<20 as Range<UInt64> {
            await Task.yield()
            var life = ReplicaLife(seed: seed, countsFormerCalls: false)
            life.run(for: 300_000)
            if life.most > life.budget.count { found += 1 }
        }
        #expect(found > 5)
    }

    @Test func aFollowersCallTakesOneOfTheLeadersPlaces() throws {
        var pair = ReplicaPair(2)
        let own = pair.leader.ask(call(.caller), at: pair.now)
        #expect(pair.leader.outcome(of: own)?.place != nil)
        let place = try #require(pair.ask(call(.caller)).outcome?.place)
        #expect(pair.leader.usage(at: pair.now).used == 2)
        let (ticket, outcome) = pair.ask(call(.caller, patience: .seconds(300)))
        #expect(outcome == nil)
        let isSent = pair.follower.sending(place, at: pair.now)
        #expect(isSent)
        pair.advance(by: 5)
        pair.follower.answered(place, at: pair.now)
        pair.deliver()
        // The leader's own call has no answer. The follower's place is free a minute after its answer.
        pair.advance(by: 60)
        #expect(pair.follower.outcome(of: ticket) == nil)
        pair.advance(by: 1)
        #expect(pair.follower.outcome(of: ticket)?.place != nil)
    }

    @Test func whileNobodyLeadsACallWaitsUntilItsPatienceEnds() {
        var state = ReplicaBudgetState(RequestBudget(5, per: .seconds(60)))
        state.share()
        state.isValid(until: start + .seconds(100), at: start)
        let ticket = state.ask(call(.caller, patience: .seconds(20)), at: start)
        state.settle(at: start + .seconds(19))
        #expect(state.outcome(of: ticket) == nil)
        #expect(state.nextChange(at: start + .seconds(19)) == .seconds(1))
        state.settle(at: start + .seconds(20))
        #expect(state.outcome(of: ticket)?.isQueued == true)
        // Whoever waits when this replica gets the lease has a place at once.
        let next = state.ask(call(.caller, patience: .seconds(20)), at: start + .seconds(20))
        state.lead(epoch: 1, at: start + .seconds(30))
        #expect(state.outcome(of: next)?.place != nil)
    }

    @Test func aLeaderGivesNoPlaceAfterItsLeaseMayHaveEnded() throws {
        var state = ReplicaBudgetState(RequestBudget(5, per: .seconds(60)))
        state.share()
        state.isValid(until: start + .seconds(10), at: start)
        state.lead(epoch: 1, at: start)
        let first = try #require(state.outcome(of: state.ask(call(.caller), at: start))?.place)
        let ticket = state.ask(call(.caller), at: start + .seconds(10))
        #expect(state.outcome(of: ticket) == nil)
        // What has a place is not sent any more.
        let isSent = state.sending(first, at: start + .seconds(10))
        #expect(!isSent)
        state.isValid(until: start + .seconds(21), at: start + .seconds(11))
        #expect(state.outcome(of: ticket)?.place != nil)
        let isSentAgain = state.sending(first, at: start + .seconds(11))
        #expect(isSentAgain)
    }

    /// The many calls of a caller on the leader, and one call of another caller on the follower.
    @Test("fault C7: a caller on another replica has its turn")
    func callersTakeTurnsOverReplicas() throws {
        var pair = ReplicaPair(1)
        let first = try #require(pair.ask(call(.poll)).outcome?.place)
        pair.follower.answered(first, at: pair.now)
        pair.deliver()
        let many = (0..<20).map { pair.leader.ask(call(.poll, caller: "many", export: export($0)), at: pair.now) }
        let (one, _) = pair.ask(call(.poll, caller: "one", export: export(1000)))
        var before = 0
        for _ in 0..<200 {
            pair.advance(by: 1)
            for ticket in many {
                guard let place = pair.leader.outcome(of: ticket)?.place else { continue }
                pair.leader.answered(place, at: pair.now)
                before += 1
            }
            if pair.follower.outcome(of: one)?.place != nil { break }
        }
        #expect((0...1).contains(before))
        #expect(pair.leader.usage(at: pair.now).used == 1)
    }

    @Test func aGrantThatComesLateIsGivenBackUnused() {
        var pair = ReplicaPair(1)
        var grants: [BudgetMessage] = []
        pair.loses = { if case .granted = $0 { true } else { false } }
        let ticket = pair.follower.ask(call(.caller, patience: .seconds(3)), at: pair.now)
        for message in pair.follower.takeOutbox() {
            pair.leader.receive(message.message, from: "follower", at: pair.now)
        }
        grants = pair.leader.takeOutbox().map(\.message)
        #expect(pair.leader.usage(at: pair.now).used == 1)
        pair.now = pair.now + .seconds(6)
        pair.renew()
        for message in grants { pair.follower.receive(message, from: "leader", at: pair.now) }
        #expect(pair.follower.outcome(of: ticket)?.isQueued == true)
        pair.deliver()
        #expect(pair.leader.usage(at: pair.now).used == 0)
    }

    @Test func withoutWordOfTheLeaderACallIsRefusedAndLeavesNoPlaceTaken() {
        var pair = ReplicaPair(1)
        pair.loses = { if case .granted = $0 { true } else { false } }
        let (ticket, outcome) = pair.ask(call(.caller, patience: .seconds(2)))
        #expect(outcome == nil)
        pair.advance(by: 6)
        #expect(pair.follower.outcome(of: ticket) == nil)
        pair.advance(by: 1)
        #expect(pair.follower.outcome(of: ticket)?.isQueued == true)
        #expect(pair.leader.usage(at: pair.now).used == 0)
    }

    /// Whatever comes twice, late, and in another order.
    @Test func repeatedMessagesDoNoHarm() throws {
        var pair = ReplicaPair(1)
        let (_, outcome) = pair.ask(call(.caller))
        let place = try #require(outcome?.place)
        let isSent = pair.follower.sending(place, at: pair.now)
        #expect(isSent)
        let all = pair.sent
        func again() {
            for message in all.reversed() + all {
                pair.leader.receive(message, from: "follower", at: pair.now)
                pair.follower.receive(message, from: "leader", at: pair.now)
            }
            pair.deliver()
        }
        again()
        #expect(pair.leader.usage(at: pair.now).used == 1)
        pair.follower.answered(place, at: pair.now)
        pair.deliver()
        again()
        pair.advance(by: 60)
        #expect(pair.leader.usage(at: pair.now).used == 1)
        again()
        pair.advance(by: 1)
        #expect(pair.leader.usage(at: pair.now).used == 0)
    }

    @Test func aReplicaThatIsGoneKeepsItsPlacesForAWindow() {
        var pair = ReplicaPair(1)
        #expect(pair.ask(call(.caller)).outcome?.place != nil)
        // The first view may have been read before the replica came.
        pair.leader.sees(["leader"], at: pair.now)
        pair.now = pair.now + .seconds(2)
        pair.leader.sees(["leader"], at: pair.now)
        pair.advance(by: 65)
        #expect(pair.leader.usage(at: pair.now).used == 1)
        pair.advance(by: 1)
        #expect(pair.leader.usage(at: pair.now).used == 0)
    }

    @Test func aPlaceOfWhichNoWordComesHasALimit() {
        var pair = ReplicaPair(1)
        #expect(pair.ask(call(.caller)).outcome?.place != nil)
        pair.advance(by: 125)
        #expect(pair.leader.usage(at: pair.now).used == 1)
        pair.advance(by: 1)
        #expect(pair.leader.usage(at: pair.now).used == 0)
    }

    @Test func aNewLeaderWaitsForAWindowUnlessTheFormerOneHasToldWhatItUsed() {
        func waits(_ handsOver: Bool) -> Int {
            var pair = ReplicaPair(2)
            let place = pair.leader.outcome(of: pair.leader.ask(call(.caller), at: pair.now))?.place
            if let place { pair.leader.answered(place, at: pair.now) }
            pair.advance(by: 30)
            pair.loses = { _ in !handsOver }
            pair.leader.nobodyLeads(at: pair.now)
            pair.follower.lead(epoch: 2, at: pair.now)
            pair.deliver()
            var had = 0
            for second in 0..<100 {
                for _ in 0..<2 {
                    let ticket = pair.follower.ask(call(.caller, patience: .zero), at: pair.now)
                    if pair.follower.outcome(of: ticket)?.place != nil { had += 1 }
                }
                if had == 2 { return second }
                pair.now = pair.now + .seconds(1)
                pair.follower.isValid(until: pair.now + .seconds(10), at: pair.now)
                pair.follower.settle(at: pair.now)
            }
            return 100
        }
        #expect(waits(true) == 31)
        #expect(waits(false) == 71)
    }

    @Test("fault C5: what a host asks of one replica holds the calls of all")
    func holdsAndRefusalsAreForAll() throws {
        var pair = ReplicaPair(4)
        let place = try #require(pair.ask(call(.caller, host: "api")).outcome?.place)
        pair.follower.hold("api", for: .seconds(20), at: pair.now)
        pair.follower.throttled(place, at: pair.now)
        pair.follower.answered(place, at: pair.now)
        pair.deliver()
        let own = pair.leader.ask(call(.caller, host: "api", patience: .seconds(5)), at: pair.now)
        #expect(pair.leader.outcome(of: own) == .held(.seconds(20)))
        #expect(pair.leader.usage(at: pair.now).limit == 2)
        // The next leader knows it too.
        #expect(pair.follower.budget.usage(at: pair.now).limit == 2)
        #expect(pair.ask(call(.caller, host: "api", patience: .seconds(5))).outcome == .held(.seconds(20)))
    }

    @Test func whoFollowsShowsWhatTheLeaderTells() {
        var pair = ReplicaPair(4)
        _ = pair.leader.ask(call(.caller), at: pair.now)
        pair.advance(by: 1)
        #expect(pair.follower.usage(at: pair.now).used == 1)
    }

    @Test func whoWaitsGoesWithTheLease() {
        var pair = ReplicaPair(1)
        #expect(pair.ask(call(.caller)).outcome?.place != nil)
        let (ticket, outcome) = pair.ask(call(.caller))
        #expect(outcome == nil && pair.leader.serving.count == 1)
        pair.follower.follow("another", at: pair.now)
        #expect(pair.follower.outcome(of: ticket) == .moved)
        pair.deliver()
        #expect(pair.leader.serving.isEmpty)
    }
}
