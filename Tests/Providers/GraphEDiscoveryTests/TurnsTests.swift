import Exports
import JSON
import ManualClock
import ScriptedHost
import Synchronization
import Testing

@testable import GraphEDiscovery

/// Who is asked for when there are more cases than places in the request budget.
@Suite(.timeLimit(.minutes(3))) struct TurnsTests {
    private static func reference(_ number: Int, in caseID: String) -> UpstreamReference {
        UpstreamReference(id: "\(caseID)-\(number)", context: ["caseId": caseID])
    }

    private static func id(_ part: ObservationPart?) -> String { part?.references.first?.id ?? "" }

    @Test func callersTakeTurnsByTheirWeights() {
        let turns = ObservationTurns()
        let many = (0..<1000).map { ObservationPart.one(Self.reference($0, in: "many")) }
        let others = ["one", "heavy"]
            .flatMap { name in
                (0..<50).map { ObservationPart.one(Self.reference($0, in: name)) }
            }
        var owners: [UpstreamReference: [CallerShare]] = [:]
        for part in many + others {
            for reference in part.references {
                let caller = String(reference.id.prefix { $0 != "-" })
                owners[reference] = [CallerShare(caller, weight: caller == "heavy" ? 3 : 1)]
            }
        }
        var counts: [String: Int] = [:]
        for _ in 0..<100 {
            let part = turns.inTurn(many + others, owners: owners)[0]
            counts[String(Self.id(part).prefix { $0 != "-" }), default: 0] += 1
            turns.asked(part, owners: owners)
        }
        #expect(counts == ["many": 20, "one": 20, "heavy": 60])
        // The same order however the references are hashed, and in one round as in many.
        let round = turns.inTurn(many + others, owners: owners).prefix(10)
        #expect(round.filter { Self.id($0).hasPrefix("heavy") }.count == 6)
        #expect(round.map(Self.id) == turns.inTurn(many + others, owners: owners).prefix(10).map(Self.id))
    }

    @Test func aLongListCountsAsItsCalls() {
        let turns = ObservationTurns()
        let (long, short) = (Self.reference(1, in: "long"), Self.reference(1, in: "short"))
        let parts: [ObservationPart] = [.list("long", [long]), .list("short", [short])]
        let owners = [long: [CallerShare("a")], short: [CallerShare("b")]]
        var asked: [String] = []
        for _ in 0..<22 {
            let part = turns.inTurn(parts, owners: owners)[0]
            asked.append(Self.id(part))
            turns.asked(part, calls: Self.id(part) == long.id ? 10 : 1, owners: owners)
        }
        #expect(asked.filter { $0 == long.id }.count == 2)
    }

    @Test func whoHasEverNewCasesDoesNotKeepTheOldOnesFromBeingAskedFor() {
        let turns = ObservationTurns()
        var parts = (0..<20).map { ObservationPart.one(Self.reference($0, in: "old")) }
        var asked: Set<String> = []
        for number in 0..<60 {
            let part = turns.inTurn(parts)[0]
            turns.asked(part)
            asked.insert(Self.id(part))
            parts.insert(.one(Self.reference(number, in: "new")), at: 0)
        }
        #expect(asked.filter { $0.hasPrefix("old") }.count == 20)
    }

    @Test func aListThatTheBudgetCutsOffKeepsItsTurn() {
        let turns = ObservationTurns()
        let parts = (0..<3).map { ObservationPart.list("c\($0)", [Self.reference(1, in: "c\($0)")]) }
        turns.asked(turns.inTurn(parts)[0])
        turns.asked(parts[1], isOver: false)
        #expect(turns.inTurn(parts).map(Self.id) == ["c1-1", "c2-1", "c0-1"])
    }

    /// What is kept is bounded, and what is in use is not what is evicted.
    @Test func whatIsInUseIsKept() {
        let turns = ObservationTurns()
        let kept = Self.reference(1, in: "kept")
        turns.areUnclear([kept])
        for number in 0..<(3 * ObservationTurns.capacity) {
            if number.isMultiple(of: 1000) { _ = turns.inTurn([.one(kept)]) }
            turns.asked(.one(Self.reference(number, in: "passing")))
        }
        #expect(turns.isUnclear(kept))
        #expect(!turns.isUnclear(Self.reference(1, in: "passing")))
    }

    /// Asks as the engine does: what is due, in the order of its time; what was answered is due again after the interval.
    private func observations(
        of one: UpstreamReference,
        beside others: [UpstreamReference],
        wanted: Int
    ) async throws -> Duration {
        let time = ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)
        let (interval, begun) = (Duration.seconds(15), time.elapsed())
        var due: [(reference: UpstreamReference, at: Duration)] = (others + [one]).map { ($0, begun) }
        var count = 0
        try await Workbench.run(.ediscovery, budget: RequestBudget(5, per: .seconds(60)), time: time) { bench async in
            bench.graph.script { _ in .json(["id": "x", "status": "running"]) }
            while count < wanted {
                var context = Workbench.context
                context.priority = .poll
                context.patience = .seconds(5)
                context.work = .polls(of: "purview", ProviderID("graph-ediscovery"))
                context.series = CallSeries()
                context.roundLimit = interval
                // As many as go into one batch, which callers take turns for.
                let asked = due.filter { $0.at <= time.elapsed() }
                    .sorted { ($0.reference == one ? 0 : 1, $0.at) < ($1.reference == one ? 0 : 1, $1.at) }
                    .prefix(1000)
                for item in asked {
                    context.owners[item.reference] = [CallerShare(item.reference == one ? "one" : "many")]
                }
                let answers = await bench.provider.observe(asked.map(\.reference), context: context)
                var wait = Duration.seconds(1)
                for (index, item) in due.enumerated() {
                    switch answers[item.reference] {
                    case .success:
                        due[index].at = time.elapsed() + interval
                        if item.reference == one { count += 1 }
                    case .failure(let error): wait = max(wait, error.retryAfter ?? .zero)
                    case nil: break
                    }
                }
                time.advance(by: wait)
            }
        }
        return (time.elapsed() - begun) / wanted
    }

    @Test("fault C7: one case beside another caller's thousand is observed within three times its time alone")
    func oneCaseBesideAThousand() async throws {
        let one = Self.reference(1, in: "one")
        let many = (0..<1000).map { Self.reference($0, in: "many") }
        let alone = try await observations(of: one, beside: [], wanted: 10)
        let beside = try await observations(of: one, beside: many, wanted: 10)
        print("one case: every \(alone) alone, every \(beside) beside 1000 of another caller")
        #expect(beside <= alone * 3, "\(alone) alone, \(beside) beside")
    }

    /// A list that fails was asked for all the same: it costs its callers a turn.
    @Test func whoseListsFailHasNoMoreTurnsThanOthers() async throws {
        let bad = (0..<20).flatMap { number in (0..<2).map { Self.reference($0, in: "bad\(number)") } }
        let good = (0..<2).map { Self.reference($0, in: "good") }
        let asked = Mutex<[String: Int]>([:])
        try await Workbench.run { bench async in
            bench.graph.script { request in
                let isGood = request.path.contains("good")
                asked.withLock { $0[isGood ? "good" : "bad", default: 0] += 1 }
                guard isGood else { return .empty(429, headers: [("Retry-After", "1")]) }
                return .json([
                    "value": [["id": "good-0", "status": "running"], ["id": "good-1", "status": "running"]]
                ])
            }
            var context = Workbench.context
            // One part in each round.
            context.roundLimit = .zero
            for reference in bad { context.owners[reference] = [CallerShare("a")] }
            for reference in good { context.owners[reference] = [CallerShare("b")] }
            for _ in 0..<20 { _ = await bench.provider.observe(bad + good, context: context) }
        }
        #expect(asked.withLock { $0["good"] ?? 0 } >= 8, "\(asked.withLock { $0 })")
    }

    @Test func aRoundEndsAfterItsTime() async throws {
        let time = ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)
        try await Workbench.run(.ediscovery, time: time) { bench async throws in
            bench.graph.script { _ in
                time.advance(by: .seconds(6))
                return .json(["id": "x", "status": "running"])
            }
            let references = (0..<9).map { Self.reference($0, in: "c") }
            var context = Workbench.context
            context.roundLimit = .seconds(15)
            let answers = await bench.provider.observe(references, context: context)
            #expect(answers.count == 9 && bench.graph.requests.count == 3)
            let left = references.dropFirst(3).compactMap { answers[$0]?.ownWait }
            #expect(left.count == 6 && left.allSatisfy { $0.retryAfter == .zero })
            // The others have their turn in the next round.
            let next = await bench.provider.observe(references, context: context)
            #expect(references[3..<6].allSatisfy { next[$0]?.ownWait == nil })
        }
    }
}
