import Exports

extension Examination {
    /// Every reference gets an entry, a missing job an error, and where that is declared many cost less than one call each.
    func everyReferenceIsAnswered() async throws {
        let provider = try await harness.makeProvider()
        let nobody = await harness.networkCalls()
        expect(
            await provider.observe([], context: harness.context).isEmpty,
            "no entry for no reference",
            found: "some"
        )
        let callsForNobody = await harness.networkCalls() - nobody
        expect(callsForNobody == 0, "no call for no reference", found: "\(callsForNobody)")

        var references: [UpstreamReference] = []
        for _ in 0..<3 { references.append(try await start(with: provider).reference) }
        let before = await harness.networkCalls()
        let answers = await provider.observe(references, context: harness.context)
        let calls = await harness.networkCalls() - before
        record.keep(answers)
        for reference in references {
            guard case .success(let observation)? = answers[reference] else {
                report("an observation of each job", found: answers[reference] as Any)
                continue
            }
            expect(!observation.status.isTerminal, "each job is under way", found: observation.status)
        }
        if try await capabilities.batchObserve, !harness.observesOneByOne {
            expect(calls < references.count, "fewer calls than jobs, as batchObserve declares", found: "\(calls) for 3")
        }

        let missing = harness.missing(references[0])
        let mixed = await provider.observe([missing, references[0], references[0]], context: harness.context)
        record.keep(mixed)
        expect(Set(mixed.keys) == [missing, references[0]], "an entry for each reference", found: mixed.keys)
        switch mixed[missing] {
        case .failure(let error)?:
            expect([.notFound, .gone].contains(error.code), "notFound for a job that does not exist", found: error)
        case let other: report("an error for a job that does not exist", found: other as Any)
        }
        if case .success? = mixed[references[0]] {
        } else {
            report("a missing job spoils no other's entry", found: mixed[references[0]] as Any)
        }
    }

    /// Not started or running, then succeeded with files, which stays so; progress as declared.
    func statusWalksToSuccess() async throws {
        let provider = try await harness.makeProvider()
        let declared = try await capabilities
        let job = try await start(with: provider)
        var seen = [try await observation(of: job.reference, from: provider)]
        if let advance = harness.advanceJobs {
            try await advance()
            seen.append(try await observation(of: job.reference, from: provider))
            expect(seen[1].status == .running, "a job halfway is running", found: seen[1].status)
            if declared.progress {
                expect(seen[1].percentComplete != nil, "progress, as declared", found: "none halfway")
            }
        }
        for observation in seen {
            expect([.notStarted, .running].contains(observation.status), "a job under way", found: observation.status)
            expect(observation.files.isEmpty, "no files before the end", found: observation.files)
            expect(observation.failure == nil, "no failure of a job under way", found: observation.failure as Any)
        }
        try await harness.finishJobs()
        for _ in 0..<2 {
            let end = try await observation(of: job.reference, from: provider)
            expect(end.status == .succeeded, "a finished job is succeeded, and stays so", found: end.status)
            expect(!end.files.isEmpty || end.filesPending, "files of a finished job", found: "none")
            expect(end.failure == nil, "no failure of a success", found: end.failure as Any)
            seen.append(end)
        }
        for observation in seen {
            expect(!observation.upstreamStatus.isEmpty, "the upstream's own word on the status", found: "none")
            guard let percent = observation.percentComplete else { continue }
            expect(declared.progress, "no progress where none is declared", found: percent)
            expect((0...100).contains(percent), "progress from 0 to 100", found: percent)
        }
        let progress = seen.compactMap(\.percentComplete)
        expect(progress == progress.sorted(), "progress never goes back", found: progress)
    }

    func failureIsTold() async throws {
        guard let failJobs = harness.failJobs else { return }
        let provider = try await harness.makeProvider()
        try await failJobs()
        let job = try await start(with: provider)
        try await harness.finishJobs()
        let observation = try await observation(of: job.reference, from: provider)
        expect(observation.status == .failed, "a failed job is failed", found: observation.status)
        expect(observation.failure != nil, "why it failed", found: "nothing")
        expect(observation.files.isEmpty, "no files of a failed job", found: observation.files)
    }

    /// A value never seen before is no crash, no failure, and above all no success.
    func unknownStatusIsUnknown() async throws {
        guard let showUnknownStatus = harness.showUnknownStatus else { return }
        let provider = try await harness.makeProvider()
        try await showUnknownStatus()
        let job = try await start(with: provider)
        for _ in 0..<2 {
            let observation = try await observation(of: job.reference, from: provider)
            // The answer to the start may have been made before the job got this status.
            if observation.status != .notStarted {
                expect(observation.status == .unknown, "an unheard status is unknown", found: observation.status)
            }
            expect(observation.files.isEmpty, "no files of an unknown status", found: observation.files)
            try await harness.finishJobs()
        }
        let last = try await observation(of: job.reference, from: provider)
        expect(last.status == .unknown, "an unheard status is unknown", found: last.status)
        expect(!last.upstreamStatus.isEmpty, "the unheard status, verbatim", found: "none")
    }
}
