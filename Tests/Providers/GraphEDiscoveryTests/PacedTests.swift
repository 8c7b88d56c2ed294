import Exports
import GraphEDiscovery
import JSON
import ManualClock
import ScriptedHost
import Testing

/// What takes several calls, where each call waits for its place for longer than one call is waited for.
@Suite(.timeLimit(.minutes(2))) struct PacedTests {
    private static let list = "/v1.0/security/cases/ediscoveryCases/\(Workbench.caseID)/operations"
    private static let budget = RequestBudget(1, per: .seconds(20))

    private func context(_ priority: CallPriority = .poll, series: CallSeries? = CallSeries()) -> CallContext {
        var context = Workbench.context
        context.priority = priority
        context.patience = .seconds(5)
        context.work = .polls(of: "purview", ProviderID("graph-ediscovery"))
        context.series = series
        return context
    }

    private static func page(_ number: Int, of pages: Int, at origin: String, _ entries: [JSONValue]) -> JSONValue {
        var members: [String: JSONValue] = ["value": .array(entries)]
        if number < pages { members["@odata.nextLink"] = .string("\(origin)\(list)?$skiptoken=\(number + 1)") }
        return .object(members)
    }

    private static func number(_ request: ScriptedUpstream.Request) -> Int {
        request.target.contains("skiptoken") ? Int(request.target.split(separator: "=").last ?? "") ?? 1 : 1
    }

    @Test("fault C3: a search for a job through several pages comes to its end")
    func reconcileOfSeveralPages() async throws {
        try await Workbench.run(budget: Self.budget, time: ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)) {
            bench async throws in
            let origin = bench.graph.origin
            bench.graph.script { request in
                let number = Self.number(request)
                let ours: JSONValue = [
                    "id": "a1", "action": "contentExport", "status": "running",
                    "createdDateTime": "2026-07-02T09:15:04Z",
                    "description": "[export-gateway:01981f3e-7c1a-7b52-9d3e-0242ac120002]",
                ]
                let other: JSONValue = ["id": .string("b\(number)"), "status": "running", "description": "another's"]
                return .json(Self.page(number, of: 5, at: origin, [number == 5 ? ours : other]))
            }
            let plan = try bench.provider.validate(Workbench.reviewSetOptions).plan
            let series = CallSeries()
            let found = try await bench.provider.reconcile(
                plan,
                marker: Workbench.marker,
                others: .none,
                context: context(series: series)
            )
            #expect(found?.reference.id == "a1")
            #expect(bench.graph.requests.count == 5)
            #expect(series.waited >= .seconds(80))
        }
    }

    /// Asks as the engine does: what finds no place comes again, and nobody else is asked for with it meanwhile.
    private func observeAll(
        _ references: [UpstreamReference],
        _ bench: Workbench,
        _ time: ManualTime
    ) async throws -> (known: [UpstreamReference: Observation], rounds: Int) {
        var (left, known) = (references, [UpstreamReference: Observation]())
        for round in 1...40 {
            let answers = await bench.provider.observe(left, context: context())
            for (reference, answer) in answers where answer.isKnown { known[reference] = try answer.get() }
            let waits = answers.values.compactMap { answer in
                if case .failure(let error) = answer { error.retryAfter } else { nil as Duration? }
            }
            left = left.filter { known[$0] == nil }
            if left.isEmpty { return (known, round) }
            time.advance(by: waits.max() ?? .seconds(1))
        }
        return (known, .max)
    }

    @Test("fault C3: a list and the single reads that it leaves open come to their end, and the list is known at once")
    func singleReads() async throws {
        let references = ["a1", "b2", "c3", "d4", "e5"].map { Workbench.reference($0) }
        let time = ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)
        try await Workbench.run(budget: Self.budget, time: time) { bench async throws in
            let file: JSONValue = ["fileName": "f.zip", "size": 10, "downloadUrl": "https://h.example/1"]
            bench.graph.script { request in
                guard request.path == Self.list else {
                    return .json(["id": "x", "status": "succeeded", "exportFileMetadata": [file]])
                }
                return .json([
                    "value": .array(
                        ["a1", "b2"].map { ["id": .string($0), "status": "running"] }
                            + ["c3", "d4", "e5"].map { ["id": .string($0), "status": "succeeded"] }
                    )
                ])
            }
            let first = await bench.provider.observe(references, context: context())
            #expect(try first[references[0]]?.get().status == .running)
            #expect(try first[references[1]]?.get().status == .running)
            #expect(first.values.compactMap(\.waits).count == 3)
            // The running ones are due again each time: the list does not take the place of the single reads for ever.
            var unknown = Set(references.dropFirst(2))
            for _ in 0..<12 where !unknown.isEmpty {
                time.advance(by: .seconds(20))
                let asked = references.prefix(2) + unknown
                let answers = await bench.provider.observe(Array(asked), context: context())
                #expect(answers.count == asked.count)
                unknown = unknown.filter { answers[$0]?.isKnown != true }
            }
            #expect(unknown.isEmpty)
        }
    }

    @Test func severalSingleReadsEnd() async throws {
        let references = (1...6).map { Workbench.reference("a\($0)") }
        let time = ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)
        try await Workbench.run(.ediscovery, budget: Self.budget, time: time) { bench async throws in
            bench.graph.script { _ in .json(["id": "x", "status": "running"]) }
            let (known, _) = try await observeAll(references, bench, time)
            #expect(known.count == 6)
            #expect(bench.graph.requests.count == 6)
        }
    }

    @Test func aListOfSeveralPagesEnds() async throws {
        let references = (1...8).map { Workbench.reference("a\($0)") }
        let time = ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)
        try await Workbench.run(budget: Self.budget, time: time) { bench async throws in
            let origin = bench.graph.origin
            bench.graph.script { request in
                let number = Self.number(request)
                let entries: [JSONValue] = (0...1).map { ["id": .string("a\(2 * number - $0)"), "status": "running"] }
                return .json(Self.page(number, of: 4, at: origin, entries))
            }
            let (known, rounds) = try await observeAll(references, bench, time)
            #expect(known.count == 8)
            #expect(rounds == 1)
            #expect(bench.graph.requests.count == 4)
        }
    }

    @Test func whatWasSeenBeforeTheBudgetHeldTheRestBackIsKept() async throws {
        let references = (1...4).map { Workbench.reference("a\($0)") }
        try await Workbench.run(budget: Self.budget, time: ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)) {
            bench async throws in
            let origin = bench.graph.origin
            bench.graph.script { request in
                let number = Self.number(request)
                return .json(
                    Self.page(number, of: 4, at: origin, [["id": .string("a\(number)"), "status": "running"]])
                )
            }
            // No series: the second page has no more patience than the first.
            let answers = await bench.provider.observe(references, context: context(series: nil))
            #expect(answers[references[0]]?.isKnown == true)
            #expect(answers.values.compactMap(\.waits).count == 3)
            #expect(bench.graph.requests.count == 1)
        }
    }
}

extension Result where Success == Observation, Failure == ProviderError {
    fileprivate var isKnown: Bool { if case .success = self { true } else { false } }

    /// The wait of what our own budget holds back.
    fileprivate var waits: Duration? {
        if case .failure(let error) = self, error.isOwnWait { error.retryAfter } else { nil }
    }
}
