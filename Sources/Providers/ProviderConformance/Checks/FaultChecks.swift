import Exports

extension Examination {
    /// Whoever is asked to wait says for how long, and has started nothing.
    func throttlingIsTold() async throws {
        guard let throttle = harness.throttle else { return }
        let work = try await prepared()
        let wait = Duration.seconds(7)
        try await throttle(wait)
        for (call, error) in try await errors(of: work, expecting: [.throttled]) {
            expect(error.retryAfter == wait, "\(call) says to wait 7 seconds", found: error.retryAfter as Any)
        }
    }

    func serverErrorsPass() async throws {
        guard let failCalls = harness.failCalls else { return }
        let work = try await prepared()
        try await failCalls()
        for (call, error) in try await errors(of: work, expecting: [.transient]) {
            expect(error.upstream?.status != nil, "\(call) tells the upstream's status", found: error)
        }
    }

    func refusedTokenIsUnauthenticated() async throws {
        guard let rejectTokens = harness.rejectTokens else { return }
        let work = try await prepared()
        try await rejectTokens()
        _ = try await errors(of: work, expecting: [.unauthenticated])
    }

    /// A job with a file, and a request for another.
    private struct Work {
        var job: StartedJob
        var file: ExportFile
        var next: ValidatedExport
    }

    private func prepared() async throws -> Work {
        let provider = try await harness.makeProvider()
        let (job, files) = try await finished(with: provider)
        let next = try await must("valid options are accepted") { () throws(ProviderError) in
            try provider.validate(harness.options())
        }
        return Work(job: job, file: files[0], next: next)
    }

    /// Makes each kind of call while a fault is in force, each with a fresh connection, then ends the fault.
    private func errors(of work: Work, expecting codes: [ProviderError.Code]) async throws -> [(String, ProviderError)]
    {
        let (context, before) = (harness.context, await harness.startedJobs())
        var errors: [(String, ProviderError)] = []

        let starter = try await harness.makeProvider()
        // A server error may come after the job was started, so `ambiguous` is right too.
        let startCodes = codes == [.transient] ? codes + [.ambiguous] : codes
        let start = await mustThrow(startCodes, "a start") { () async throws(ProviderError) in
            try await starter.submit(work.next.plan, secrets: work.next.secrets, marker: marker(), context: context)
        }
        if let start { errors.append(("a start", start)) }
        let started = await harness.startedJobs() - before
        expect(started == 0, "no job is started", found: "\(started)")

        let answer = try await word(on: work.job.reference, from: try await harness.makeProvider())
        let observation = await mustThrow(codes, "an observation") { () throws(ProviderError) in try answer.get() }
        if let observation { errors.append(("an observation", observation)) }

        let opener = try await harness.makeProvider()
        let open = await mustThrow(codes, "opening a file") { () async throws(ProviderError) in
            try await opener.open(work.file, of: work.job.reference, range: nil, context: context)
        }
        if let open { errors.append(("opening a file", open)) }

        await harness.clearFaults()
        let later = try await word(on: work.job.reference, from: try await harness.makeProvider())
        expect((try? later.get().status) == .succeeded, "all is well once the fault is over", found: later)
        return errors
    }

    /// A cancelled call returns, although the upstream never answers; one that was cancelled before starts nothing.
    func cancellationIsPrompt() async throws {
        guard let stallCalls = harness.stallCalls else { return }
        let provider = try await harness.makeProvider()
        let job = try await start(with: provider)
        let context = harness.context

        let before = await harness.startedJobs()
        let (plan, marker) = (job.plan, marker())
        let early = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await attempt { () async throws(ProviderError) in
                try await provider.submit(plan, secrets: [:], marker: marker, context: context)
            }
        }
        if case .failure(let error)? = await outcome(of: early, "a start that is cancelled before it begins") {
            expect(error.code == .transient, "transient: nothing was started", found: error)
        } else {
            report("a start that is cancelled before it begins throws", found: "an answer, or none")
        }
        let started = await harness.startedJobs() - before
        expect(started == 0, "a start that is cancelled before it begins starts nothing", found: "\(started)")

        let stalled = try await stallCalls()
        let hanging = Task { await provider.observe([job.reference], context: context) }
        await stalled()
        hanging.cancel()
        guard let answers = await outcome(of: hanging, "a cancelled observation") else { return }
        record.keep(answers)
        guard case .failure(let error)? = answers[job.reference] else {
            return report("an error of a cancelled observation", found: answers)
        }
        expect(
            error.code == .transient && error.cause is CancellationError,
            "transient, caused by CancellationError",
            found: error
        )
    }

    /// What `call` gives within the harness's patience, or nil and a finding.
    private func outcome<Value: Sendable>(of call: Task<Value, Never>, _ what: String) async -> Value? {
        let patience = harness.patience
        return await withTaskGroup(of: Value?.self) { group in
            let (answers, answered) = AsyncStream.makeStream(of: Value.self)
            // Not awaited, because a call that never returns could not be awaited either. That is reported as a finding.
            Task {
                answered.yield(await call.value)
                answered.finish()
            }
            group.addTask {
                for await answer in answers { return answer }
                return nil
            }
            group.addTask {
                try? await Task.sleep(for: patience)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            if first == nil { report("\(what) returns at once", found: "no answer within \(patience)") }
            return first
        }
    }

    /// Of all that the provider has handed out in this run, nothing holds a secret.
    func noSecretIsHandedOut() async {
        let secrets = await harness.secrets().filter { !$0.isEmpty } + (harness.secretOptions.map { [$0.secret] } ?? [])
        let texts = record.texts
        for secret in Set(secrets) {
            guard let text = texts.first(where: { $0.contains(secret) }) else { continue }
            let cut = text.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "<the secret>")
            report("no secret in plans, references, observations and errors", found: cut)
        }
    }
}
