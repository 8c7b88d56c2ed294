import TestSupport
@testable import ExportEngine
import ExportLedger
import Exports
import JSON

/// A few exports at an upstream that answers rightly and wrongly, late, in any order and more than once, and a gateway that is
/// killed in between: all in memory, by a seed.
struct StartHarness {
    /// What came of one run.
    struct Outcome {
        /// Jobs beyond the first of an export.
        var doubles = 0
        /// Exports that got the job of another, or of somebody else.
        var mistaken = 0
        /// Exports that did not succeed, though somebody decided where the gateway could not.
        var lost = 0
        /// Exports about which somebody had to decide.
        var decided = 0
    }

    private struct Job {
        var id: String
        /// Which export it was started for; nil for somebody else's.
        var export: Int?
        var view: Int
        /// By the upstream's clock.
        var createdAt: Timestamp
        var listedAt: Timestamp
        var showsMarker: Bool
        var isOthers: Bool
    }

    private enum Wrong: Int, CaseIterable {
        case lost, lostAndNotStarted, unnamed, throttled, refused, serverError
    }

    private let rules: StartRules
    private let life: ExportLife
    private var random: SeededRandom
    private var now = Timestamp(milliseconds: 1_780_000_000_000)
    private let lead: Duration
    private var records: [LedgerRecord] = []
    private var views: [Int] = []
    private var jobs: [Job] = []
    /// Answers to starts that are under way.
    private var answers: [(time: Timestamp, export: Int, event: ExportLife.Event)] = []
    private var outcome = Outcome()
    /// Half of the wrong answers are equal to each other: they are this one.
    private let favourite: Wrong
    private var wrongLeft: Int

    static func run(seed: UInt64, rules: StartRules) async -> Outcome {
        var harness = StartHarness(seed: seed, rules: rules)
        return await harness.run()
    }

    private init(seed: UInt64, rules: StartRules) {
        self.rules = rules
        random = SeededRandom(seed: seed)
        var capabilities = ProviderCapabilities(minimumPollInterval: .seconds(5))
        capabilities.reconcile = true
        var settings = EngineSettings()
        settings.reconcileDeadline = .seconds(1800)
        settings.maximumReconcileInterval = .seconds(300)
        life = ExportLife(capabilities: capabilities, ambiguousStart: rules.ambiguousStart, settings: settings)
        lead = .seconds(random.below(7200) - 3600)
        favourite = random.of(Wrong.allCases)
        wrongLeft = random.below(7)
        for number in 0..<(1 + random.below(3)) {
            let created = now + .seconds(random.below(60))
            let view = random.below(2)
            var generator = random
            let export = Export(
                id: ExportID(at: created, random: &generator),
                provider: ProviderID("harness"),
                connection: "main",
                name: "Export \(number)",
                createdAt: created,
                createdBy: "alice",
                source: [:]
            )
            _ = random.next()
            views.append(view)
            records.append(
                LedgerRecord(
                    export: export,
                    plan: ExportPlan(source: ["view": .integer(Int64(view))], suggestedName: "n")
                )
            )
            if random.below(3) == 0 {
                // A job of our own application of before any attempt, or one of somebody else's at any time: nothing would tell
                // one from ours that somebody started as us, for the same, in the same minutes.
                let isOthers = random.below(2) == 0
                add(nil, view, at: isOthers ? created : now + .seconds(-20), isOthers: isOthers)
            }
        }
    }

    private mutating func add(_ export: Int?, _ view: Int, at time: Timestamp, isOthers: Bool = false) {
        jobs.append(
            Job(
                id: "job-\(jobs.count)",
                export: export,
                view: view,
                createdAt: time + lead,
                listedAt: time + .seconds(random.below(2) == 0 ? 0 : random.below(1200)),
                showsMarker: export != nil && random.below(2) == 0,
                isOthers: isOthers
            )
        )
    }

    private mutating func run() async -> Outcome {
        for _ in 0..<4000 {
            guard let export = next() else {
                // Nothing more is done about them: somebody decides at last.
                guard records.indices.count(where: { decide($0) }) > 0 else { break }
                continue
            }
            if let index = answers.firstIndex(where: { $0.export == export && $0.time <= now }) {
                apply(answers.remove(at: index).event, to: export)
            } else {
                await step(export)
            }
            if random.below(40) == 0 { restart() }
            for index in records.indices where records[index].export.completedAt != nil && random.below(8) == 0 {
                decide(index)
            }
        }
        for index in records.indices {
            let own = jobs.indices.filter { jobs[$0].export == index }
            outcome.doubles += max(0, own.count - 1)
            if records[index].export.status != .succeeded { outcome.lost += 1 }
            if let id = records[index].reference?.id, jobs.first(where: { $0.id == id })?.export != index {
                outcome.mistaken += 1
            }
        }
        return outcome
    }

    /// Whose turn it is, at the time of that.
    private mutating func next() -> Int? {
        let due = records.indices.compactMap { index -> (Timestamp, Int)? in
            guard records[index].phase != .settled else { return nil }
            if let answer = answers.first(where: { $0.export == index }) { return (answer.time, index) }
            return records[index].nextActionAt.map { ($0, index) }
        }
        guard let first = due.min(by: { $0 < $1 }) else { return nil }
        now = max(now, first.0)
        return first.1
    }

    private mutating func step(_ export: Int) async {
        switch life.step(of: records[export]) {
        case .submit: submit(export)
        case .reconcile: await reconcile(export)
        case .observe: observe(export)
        case .cancel, .awaitAuthorization, .nothing: break
        }
    }

    private mutating func submit(_ export: Int) {
        apply(.submissionBegins(secretsInMemory: true, upstreamTime: now + lead), to: export)
        var wrong: Wrong?
        if wrongLeft > 0, random.below(4) > 0 {
            wrongLeft -= 1
            wrong = random.below(2) == 0 ? favourite : random.of(Wrong.allCases)
        }
        let starts = wrong == nil || wrong == .lost || wrong == .unnamed
        if starts { add(export, views[export], at: now + .milliseconds(random.below(1500))) }
        let event: ExportLife.Event =
            switch wrong {
            case nil: .submitted(Submission(reference: UpstreamReference(id: jobs[jobs.count - 1].id)))
            case .lost, .lostAndNotStarted, .serverError: .submissionFailed(ProviderError(.ambiguous, "504"))
            case .unnamed: .submissionFailed(ProviderError(rules.successIsAcceptance ? .accepted : .ambiguous, "202"))
            case .throttled: .submissionFailed(ProviderError(.throttled, "429", retryAfter: .seconds(5)))
            case .refused: .submissionFailed(ProviderError(.transient, "connection refused"))
            }
        answers.append((now + .milliseconds(1500 + random.below(20_000)), export, event))
    }

    private mutating func reconcile(_ export: Int) async {
        if random.below(6) == 0 { return apply(.reconcileFailed(ProviderError(.transient, "500")), to: export) }
        // A list of a server that is behind.
        let seen = random.below(6) == 0 ? now + .seconds(-600) : now
        let listed = jobs.filter { $0.view == views[export] && $0.listedAt <= seen && $0.createdAt <= seen + lead }
        do throws(ProviderError) {
            let found = try await pick(listed, for: export)
            apply(.reconciled(found.map { Submission(reference: UpstreamReference(id: $0)) }), to: export)
        } catch {
            apply(.reconcileFailed(error), to: export)
        }
    }

    private func pick(_ listed: [Job], for export: Int) async throws(ProviderError) -> String? {
        let marker = records[export].marker
        if let marked = listed.first(where: { $0.showsMarker && $0.export == export }) { return marked.id }
        let unmarked = listed.filter { !$0.showsMarker }
        if rules.takesAnyJob {
            let earliest = marker.notBefore + .seconds(-60)
            return unmarked.filter { $0.createdAt >= earliest }.max { $0.createdAt < $1.createdAt }?.id
        }
        let (records, lead) = (records, lead)
        let others = OtherExports { ids in
            let rest = records.indices.filter { $0 != export }.map { records[$0] }
            return OtherExports.Claims(
                boundIDs: Set(rest.compactMap { $0.reference?.id }).intersection(ids),
                unconfirmed: rest.filter(\.mayHaveUnknownJob).map { OtherExports.Unconfirmed($0) }
            )
        }
        let plan = records[export].plan
        return try await UnmarkedJob.only(
            of: unmarked.filter { !$0.isOthers }.map { UnmarkedJob(ids: [$0.id], createdAt: $0.createdAt) },
            since: marker.upstreamNotBefore ?? marker.notBefore + lead,
            isWholeList: true,
            others: others,
            upstreamTime: { $0 + lead },
            wantsTheSame: { $0.plan.source == plan.source }
        )?
        .ids.first
    }

    private mutating func observe(_ export: Int) {
        switch random.below(4) {
        case 0: apply(.observationFailed(ProviderError(.notFound, "404")), to: export)
        case 1: apply(.observed(Observation(.running, upstreamStatus: "running")), to: export)
        default: apply(.observed(.succeeded()), to: export)
        }
    }

    private mutating func restart() {
        answers = []
        for index in records.indices where records[index].phase != .tracking { apply(.resumed, to: index) }
    }

    /// Somebody looks at the upstream and says what became of it. Whether there was something to say.
    @discardableResult private mutating func decide(_ export: Int) -> Bool {
        guard records[export].startIsUnconfirmed else { return false }
        outcome.decided += 1
        let job = jobs.first { $0.export == export }
        let reference = job.map { UpstreamReference(id: $0.id) }
        apply(.decided(reference.map { .started(Submission(reference: $0)) } ?? .notStarted), to: export)
        return true
    }

    private mutating func apply(_ event: ExportLife.Event, to export: Int) {
        var record = records[export]
        life.apply(event, to: &record, at: now, jitter: 0.5)
        // As the ledger does it: a job is one export's.
        if !rules.takesAnyJob, let id = record.reference?.id, record.reference != records[export].reference,
            records.indices.contains(where: { $0 != export && records[$0].reference?.id == id })
        {
            return apply(.reconciled(nil), to: export)
        }
        records[export] = record
    }
}
