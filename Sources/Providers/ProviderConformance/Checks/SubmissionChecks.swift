import Exports
import Synchronization

extension Examination {
    /// One start, one job, and a reference that leads to it.
    func submitStartsOneJob() async throws {
        let provider = try await harness.makeProvider()
        let before = await harness.startedJobs()
        let first = try await start(with: provider)
        let started = await harness.startedJobs() - before
        expect(started == 1, "one start starts one job", found: "\(started)")
        let second = try await start(with: provider)
        expect(first.reference != second.reference, "each job has its own reference", found: first.reference)
        expect(!first.reference.id.isEmpty, "a reference with an id", found: first.reference)
        for job in [first, second] {
            if let status = job.submission.observation?.status {
                expect([.notStarted, .running].contains(status), "a job that has just begun", found: status)
            }
            let status = try await observation(of: job.reference, from: provider).status
            expect([.notStarted, .running].contains(status), "the reference leads to a job under way", found: status)
        }
    }

    /// A job is found again by its marker, under the same reference, and not by another.
    func reconcileFindsTheJob() async throws {
        let provider = try await harness.makeProvider()
        guard try await capabilities.reconcile else { return }
        let plan = try await must("valid options are accepted") { () throws(ProviderError) in
            try provider.validate(harness.options())
        }
        .plan
        let unused = marker()
        let none = try await must("a marker that was never used can be looked for") { () async throws(ProviderError) in
            try await provider.reconcile(plan, marker: unused, others: .none, context: harness.context)
        }
        expect(none == nil, "nothing for a marker that was never used", found: none as Any)

        let job = try await start(with: provider)
        // A second job, which must not be found in place of the first.
        _ = try await start(with: provider)
        let found = try await must("the job's marker can be looked for") { () async throws(ProviderError) in
            try await provider.reconcile(job.plan, marker: job.marker, others: .none, context: harness.context)
        }
        expect(found?.reference == job.reference, "the job that was started with the marker", found: found as Any)
        let foreign = harness.foreign(job.marker)
        let other = try await must("a foreign marker can be looked for") { () async throws(ProviderError) in
            try await provider.reconcile(job.plan, marker: foreign, others: .none, context: harness.context)
        }
        expect(other == nil, "nothing for a foreign marker", found: other as Any)

        try await harness.finishJobs()
        let ended = try await must("an ended job's marker can be looked for") { () async throws(ProviderError) in
            try await provider.reconcile(job.plan, marker: job.marker, others: .none, context: harness.context)
        }
        expect(ended?.reference == job.reference, "a job is found after its end too", found: ended as Any)
    }

    /// Who knows a job's id gets the reference that the start gave, without a call; what cannot be an id is refused.
    func idLeadsToTheJob() async throws {
        let provider = try await harness.makeProvider()
        let job = try await start(with: provider)
        let before = await harness.networkCalls()
        let reference = try await must("the id of a job leads to a reference") { () throws(ProviderError) in
            try provider.reference(toUpstreamID: job.reference.id, of: job.plan, marker: job.marker)
        }
        expect(reference == job.reference, "the reference that the start gave", found: reference)
        for id in ["", "a b", "job\n", String(repeating: "x", count: 100_000)] {
            let error = await mustThrow([.invalid], "an id that cannot be one") { () throws(ProviderError) in
                try provider.reference(toUpstreamID: id, of: job.plan, marker: job.marker)
            }
            if let error {
                expect(
                    error.faults.map(\.pointer) == ["/upstreamId"],
                    "a fault that names /upstreamId",
                    found: error.faults
                )
            }
        }
        let calls = await harness.networkCalls() - before
        expect(calls == 0, "no network call", found: "\(calls)")
    }

    /// The start asks before its first byte goes out, and nothing goes out when that is refused.
    func startAsksBeforehand() async throws {
        let provider = try await harness.makeProvider()
        let valid = try await must("valid options are accepted") { () throws(ProviderError) in
            try provider.validate(harness.options())
        }
        let before = await harness.startedJobs()
        let seen = Counts()
        var context = harness.context
        context.willStart = refusal(seen)
        let refusing = context
        await mustThrow([.transient], "a start that is refused beforehand") { () async throws(ProviderError) in
            try await provider.submit(valid.plan, secrets: valid.secrets, marker: marker(), context: refusing)
        }
        let counts = seen.all
        expect(counts == [before], "willStart is called once, before the job", found: counts)
        let jobs = await harness.startedJobs() - before
        expect(jobs == 0, "nothing is started", found: "\(jobs) jobs")
    }

    /// Counts the jobs and says no.
    private func refusal(_ seen: Counts) -> @Sendable () async throws(ProviderError) -> Void {
        let startedJobs = harness.startedJobs
        return { () async throws(ProviderError) in
            seen.add(await startedJobs())
            throw ProviderError(.transient, "Not now.")
        }
    }

    /// What is not declared is refused, and nobody is asked.
    func undeclaredIsUnsupported() async throws {
        let provider = try await harness.makeProvider()
        let capabilities = try await capabilities
        let job = try await start(with: provider)
        let before = await harness.networkCalls()
        if !capabilities.cancel {
            await mustThrow([.unsupported], "an undeclared cancel") { () async throws(ProviderError) in
                try await provider.cancel(job.reference, context: harness.context)
            }
        }
        if !capabilities.reconcile {
            await mustThrow([.unsupported], "an undeclared reconcile") { () async throws(ProviderError) in
                try await provider.reconcile(job.plan, marker: job.marker, others: .none, context: harness.context)
            }
        }
        let calls = await harness.networkCalls() - before
        expect(calls == 0, "no network call", found: "\(calls)")
    }

    func cancelStopsTheJob() async throws {
        guard try await capabilities.cancel else { return }
        let provider = try await harness.makeProvider()
        let (job, other) = (try await start(with: provider), try await start(with: provider))
        try await must("a job under way can be cancelled") { () async throws(ProviderError) in
            try await provider.cancel(job.reference, context: harness.context)
        }
        let status = try await observation(of: job.reference, from: provider).status
        expect(status == .canceled, "a cancelled job is canceled", found: status)
        let untouched = try await observation(of: other.reference, from: provider).status
        expect(!untouched.isTerminal, "other jobs go on", found: untouched)
    }

    /// A start that breaks off is not repeated, and nobody claims to know what became of it.
    func brokenStartIsAmbiguous() async throws {
        guard let cutStarts = harness.cutStarts else { return }
        for started in [true, false] {
            let provider = try await harness.makeProvider()
            let valid = try await must("valid options are accepted") { () throws(ProviderError) in
                try provider.validate(harness.options())
            }
            let marker = marker()
            let before = await harness.startedJobs()
            try await cutStarts(started)
            await mustThrow([.ambiguous], "a start that breaks off") { () async throws(ProviderError) in
                try await provider.submit(valid.plan, secrets: valid.secrets, marker: marker, context: harness.context)
            }
            let jobs = await harness.startedJobs() - before
            expect(jobs == (started ? 1 : 0), "a start that breaks off is not repeated", found: "\(jobs) jobs")
            await harness.clearFaults()
            guard try await capabilities.reconcile else { continue }
            let found = try await must("a job of unknown fate can be looked for") { () async throws(ProviderError) in
                try await provider.reconcile(valid.plan, marker: marker, others: .none, context: harness.context)
            }
            expect(
                (found != nil) == started,
                started ? "the job that was started unseen" : "nothing where nothing was started",
                found: found as Any
            )
        }
    }
}

/// Numbers that come from other tasks.
private final class Counts: Sendable {
    private let state = Mutex<[Int]>([])

    var all: [Int] { state.withLock { $0 } }

    func add(_ count: Int) { state.withLock { $0.append(count) } }
}
