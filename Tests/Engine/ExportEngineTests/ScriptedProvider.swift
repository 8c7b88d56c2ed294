import Exports
import JSON
import NIOCore
import Synchronization
import TestSupport

/// An upstream that does what a test tells it to, and records what it was asked.
final class ScriptedProvider: ExportProvider {
    typealias Answer<T> = Result<T, ProviderError>

    static let descriptor = ProviderDescriptor(
        id: ProviderID("scripted"),
        title: "Scripted",
        description: "An upstream for tests.",
        optionsMember: "scripted",
        optionsSchema: ["type": "object"],
        capabilities: ProviderCapabilities(minimumPollInterval: .seconds(5))
    )

    enum Call: String, Hashable { case submit, reconcile, observe, cancel, open }

    struct State {
        var calls: [Call: Int] = [:]
        /// The markers of the jobs that run upstream, by the job's id.
        var jobs: [String: SubmissionMarker] = [:]
        var watchers: [(call: Call, count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        var gates: [Call: Gate] = [:]
        /// Whether the upstream's answer comes although the call was cut off.
        var answersAllTheSame = false
        var tokens: [Secret?] = []
        var downloadTokens: [Secret?] = []
        /// The exports whose refresh tokens the calls could use, and what was kept there when they began.
        var stores: [ExportID?] = []
        var refreshTokens: [Secret?] = []
        var ranges: [FileRange?] = []
        var secrets: [[String: Secret]] = []
        var batches: [Int] = []
        /// What is done first in every call.
        var onCall: @Sendable (Call, CallContext) async -> Void = { _, _ in }
        /// By how much the upstream's clock is ahead; nil where it does not tell.
        var clockLead: Duration?
        // What to answer, by the number of the call, from 1. Nil does what a good upstream does.
        var onSubmit: @Sendable (Int) -> ProviderError? = { _ in nil }
        /// Whether a start that fails starts a job all the same.
        var failedSubmitStarts = false
        var onReconcile: @Sendable (Int) -> Answer<Submission?>? = { _ in nil }
        var onObserve: @Sendable (Int) -> Answer<Observation> = { _ in
            .success(Observation(.running, upstreamStatus: "Running"))
        }
        var onCancel: @Sendable (Int) -> ProviderError? = { _ in nil }
        var onOpen: @Sendable (Int) -> ProviderError? = { _ in nil }
    }

    let state = Mutex(State())
    /// What has no place in the line of a request budget any more.
    let left = Events<PacedWork>()

    func set(_ change: @Sendable (inout State) -> Void) { state.withLock { change(&$0) } }
    func count(_ call: Call) -> Int { state.withLock { $0.calls[call, default: 0] } }
    var jobs: [String: SubmissionMarker] { state.withLock { $0.jobs } }

    /// Returns once this call has been made at least `count` times.
    func made(_ call: Call, atLeast count: Int) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if state.calls[call, default: 0] >= count { return true }
                state.watchers.append((call, count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }

    // MARK: ExportProvider

    func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        if options["bad"] != nil { throw .invalid([FieldFault("/bad", "is not known")]) }
        let secret = options["secret"]?.string
        return ValidatedExport(
            plan: ExportPlan(
                source: ["format": options["format"] ?? "PDF"],
                suggestedName: "Suggested",
                destination: options["destination"]?.string,
                needsSecrets: secret != nil
            ),
            secrets: secret.map { ["/secret": Secret($0)] } ?? [:]
        )
    }

    func submit(
        _ plan: ExportPlan,
        secrets: [String: Secret],
        marker: SubmissionMarker,
        context: CallContext
    ) async throws(ProviderError) -> Submission {
        try await context.willStart?()
        let number = await enter(.submit, context)
        let id = "job-\(marker.exportID)-\(number)"
        let failure = state.withLock { state in
            state.secrets.append(secrets)
            let failure = state.onSubmit(number)
            if failure == nil || state.failedSubmitStarts { state.jobs[id] = marker }
            return failure
        }
        try await pass(.submit)
        if let failure { throw failure }
        return Submission(reference: UpstreamReference(id: id))
    }

    func reconcile(
        _ plan: ExportPlan,
        marker: SubmissionMarker,
        others: OtherExports,
        context: CallContext
    ) async throws(ProviderError) -> Submission? {
        let number = await enter(.reconcile, context)
        try await pass(.reconcile)
        let (answer, jobs) = state.withLock { ($0.onReconcile(number), $0.jobs) }
        if let answer { return try answer.get() }
        return jobs.first { $0.value.exportID == marker.exportID }
            .map { Submission(reference: UpstreamReference(id: $0.key)) }
    }

    func reference(
        toUpstreamID id: String,
        of plan: ExportPlan,
        marker: SubmissionMarker
    ) throws(ProviderError) -> UpstreamReference {
        guard id.hasPrefix("job") else { throw .invalid([FieldFault("/upstreamId", "must begin with job")]) }
        return UpstreamReference(id: id)
    }

    /// Dots at the end mean nothing.
    func spellings(ofUpstreamID id: String) -> [String] { [id, String(id.prefix { $0 != "." })] }

    func upstreamTime(at now: Timestamp) -> Timestamp? { state.withLock { $0.clockLead }.map { now + $0 } }

    func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Answer<Observation>] {
        let number = await enter(.observe, context)
        state.withLock { $0.batches.append(references.count) }
        do throws(ProviderError) {
            try await pass(.observe)
        } catch {
            return Dictionary(uniqueKeysWithValues: references.map { ($0, .failure(error)) })
        }
        let answer = state.withLock { $0.onObserve }(number)
        return Dictionary(uniqueKeysWithValues: references.map { ($0, answer) })
    }

    func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError) {
        let number = await enter(.cancel, context)
        try await pass(.cancel)
        if let failure = state.withLock({ $0.onCancel(number) }) { throw failure }
    }

    func open(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> FileBody {
        let number = await enter(.open, context)
        state.withLock { $0.ranges.append(range) }
        if let failure = state.withLock({ $0.onOpen(number) }) { throw failure }
        let bytes = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
            continuation.yield(ByteBuffer(string: "bytes of \(file.id)"))
            continuation.finish()
        }
        return FileBody(head: FileBody.Head(contentType: "application/pdf"), bytes: bytes)
    }

    // MARK: What calls have in common

    private func enter(_ call: Call, _ context: CallContext) async -> Int {
        let kept = await context.refreshToken?.token()
        let (number, ready) = state.withLock { state in
            state.stores.append(context.refreshToken?.exportID)
            state.refreshTokens.append(kept)
            state.calls[call, default: 0] += 1
            state.tokens.append(context.authorization)
            state.downloadTokens.append(context.downloadAuthorization)
            let number = state.calls[call, default: 0]
            let ready = state.watchers.filter { $0.call == call && $0.count <= number }
            state.watchers.removeAll { $0.call == call && $0.count <= number }
            return (number, ready)
        }
        for watcher in ready { watcher.continuation.resume() }
        await state.withLock { $0.onCall }(call, context)
        return number
    }

    private func pass(_ call: Call) async throws(ProviderError) {
        guard let gate = state.withLock({ $0.gates[call] }) else { return }
        await gate.pass()
        if Task.isCancelled && !state.withLock({ $0.answersAllTheSame }) {
            let code: ProviderError.Code = call == .submit ? .ambiguous : .transient
            throw ProviderError(code, "The call was cut off.", cause: CancellationError())
        }
    }
}

/// Holds calls up until it is opened.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    /// What goes on when it is opened; nil from then on.
    private let held = Mutex<[@Sendable () -> Void]?>([])

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func open() {
        continuation.finish()
        let held = held.withLock { held in
            defer { held = nil }
            return held ?? []
        }
        for goOn in held { goOn() }
    }

    /// Calls `goOn` when the gate is open.
    func pass(_ goOn: @escaping @Sendable () -> Void) {
        let isHeld = held.withLock { held in
            held?.append(goOn)
            return held != nil
        }
        if !isHeld { goOn() }
    }

    /// Returns when the gate is open, or the task is cancelled.
    func pass() async {
        for await _ in stream {}
    }
}

extension Observation {
    static func succeeded(files: Int = 1, expiresAt: Timestamp? = nil) -> Observation {
        var observation = Observation(.succeeded, upstreamStatus: "Succeeded")
        observation.files = (0..<files).map { ExportFile(id: "\($0 + 1)", name: "file-\($0 + 1).pdf", size: 5) }
        observation.expiresAt = expiresAt
        return observation
    }
}
