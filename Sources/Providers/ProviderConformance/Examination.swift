import Exports
import NIOCore
import Synchronization

/// What a run has found, and every text that the provider has handed out.
final class ConformanceRecord: Sendable {
    private let state = Mutex((findings: [ConformanceFinding](), texts: [String]()))

    var findings: [ConformanceFinding] { state.withLock { $0.findings } }
    var texts: [String] { state.withLock { $0.texts } }

    func add(_ finding: ConformanceFinding) {
        state.withLock { if !$0.findings.contains(finding) { $0.findings.append(finding) } }
    }

    func keep(_ value: Any) {
        let text = String(reflecting: value)
        state.withLock { $0.texts.append(text) }
    }
}

/// One check under way: its tools.
struct Examination: Sendable {
    /// The check cannot go on; why has been reported.
    struct Ended: Error {}

    let check: ConformanceCheck
    let harness: ConformanceHarness
    let record: ConformanceRecord

    func report(_ expected: String, found: Any) {
        record.add(
            ConformanceFinding(check: check, expected: expected, found: String(String(describing: found).prefix(500)))
        )
    }

    @discardableResult
    func expect(_ condition: Bool, _ expected: String, found: @autoclosure () -> Any) -> Bool {
        if !condition { report(expected, found: found()) }
        return condition
    }

    /// Makes a call; its outcome is kept for the search after secrets.
    func attempt<Answer>(_ call: () async throws(ProviderError) -> Answer) async -> Result<Answer, ProviderError> {
        do throws(ProviderError) {
            let answer = try await call()
            record.keep((answer as? FileBody)?.head ?? answer)
            return .success(answer)
        } catch {
            record.keep(error)
            return .failure(error)
        }
    }

    /// Makes a call that must succeed for the check to go on.
    func must<Answer>(_ what: String, _ call: () async throws(ProviderError) -> Answer) async throws -> Answer {
        switch await attempt(call) {
        case .success(let answer): return answer
        case .failure(let error):
            report(what, found: error)
            throw Ended()
        }
    }

    /// Makes a call that must throw an error with one of `codes`; the error, when it did.
    @discardableResult
    func mustThrow<Answer>(
        _ codes: [ProviderError.Code],
        _ what: String,
        _ call: () async throws(ProviderError) -> Answer
    ) async -> ProviderError? {
        let names = codes.map(\.rawValue).joined(separator: " or ")
        switch await attempt(call) {
        case .success(let answer): report("\(what) throws \(names)", found: answer)
        case .failure(let error):
            if expect(codes.contains(error.code), "\(what) throws \(names)", found: error) { return error }
        }
        return nil
    }
}

/// A job that a check has started.
struct StartedJob: Sendable {
    var plan: ExportPlan
    var marker: SubmissionMarker
    var submission: Submission
    var reference: UpstreamReference { submission.reference }
}

extension Examination {
    var capabilities: ProviderCapabilities {
        get async throws { type(of: try await harness.makeProvider()).descriptor.capabilities }
    }

    func marker() -> SubmissionMarker {
        var random = SystemRandomNumberGenerator()
        let now = harness.now()
        return SubmissionMarker(exportID: ExportID(at: now, random: &random), exportName: "Conformance", notBefore: now)
    }

    func start(with provider: any ExportProvider) async throws -> StartedJob {
        let valid = try await must("valid options are accepted") { () throws(ProviderError) in
            try provider.validate(harness.options())
        }
        let marker = marker()
        let submission = try await must("a valid export is started") { () async throws(ProviderError) in
            try await provider.submit(valid.plan, secrets: valid.secrets, marker: marker, context: harness.context)
        }
        return StartedJob(plan: valid.plan, marker: marker, submission: submission)
    }

    /// The entry of one reference.
    func word(on reference: UpstreamReference, from provider: any ExportProvider) async throws
        -> Result<Observation, ProviderError>
    {
        let answers = await provider.observe([reference], context: harness.context)
        record.keep(answers)
        guard let answer = answers[reference] else {
            report("every reference has an entry", found: "none for \(reference.id)")
            throw Ended()
        }
        return answer
    }

    func observation(of reference: UpstreamReference, from provider: any ExportProvider) async throws -> Observation {
        let answer = try await word(on: reference, from: provider)
        return try await must("the job can be observed") { () throws(ProviderError) in try answer.get() }
    }

    /// A job that has succeeded, with its files.
    func finished(with provider: any ExportProvider) async throws -> (job: StartedJob, files: [ExportFile]) {
        let job = try await start(with: provider)
        try await harness.finishJobs()
        let observation = try await observation(of: job.reference, from: provider)
        guard observation.status == .succeeded, !observation.files.isEmpty else {
            report("a finished job is succeeded and has files", found: observation)
            throw Ended()
        }
        return (job, observation.files)
    }

    /// Reads a file, or a part of it, to its end or to its error.
    func read(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange? = nil,
        from provider: any ExportProvider
    ) async throws -> (head: FileBody.Head, bytes: [UInt8], error: (any Error)?) {
        let body = try await must("the file can be opened") { () async throws(ProviderError) in
            try await provider.open(file, of: reference, range: range, context: harness.context)
        }
        var bytes: [UInt8] = []
        do {
            for try await chunk in body.bytes { bytes += chunk.readableBytesView }
        } catch {
            record.keep(error)
            return (body.head, bytes, error)
        }
        return (body.head, bytes, nil)
    }
}
