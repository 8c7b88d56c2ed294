public import Exports
import Synchronization

/// An upstream in memory: an account with jobs that move when they are told to, and faults on switches.
public final class MemoryUpstream: Sendable {
    /// What can go wrong. Faults add up until `clearFaults`.
    public enum Fault: Sendable, Hashable {
        case throttled(Duration)
        case serverError
        case tokenRejected
        case startCut(started: Bool)
        case downloadCut(afterBytes: Int64)
        case stalled
    }

    struct Job: Sendable {
        var id: String
        var marker: String
        var name: String
        var format: String
        /// Of 100; the job has ended at 100.
        var progress = 0
        var fails = false
        var isStrange = false
        var isCanceled = false
        var isExpired = false

        /// The job's status in this upstream's own words.
        var status: String {
            if isStrange { return "reticulating" }
            if isCanceled { return "stopped" }
            return switch progress {
            case 0: "queued"
            case 100: fails ? "broken" : "ready"
            default: "working"
            }
        }

        /// Two files of noise that differ from job to job.
        var files: [(name: String, bytes: [UInt8])] {
            guard status == "ready" else { return [] }
            return [(1, 40_000), (2, 3)]
                .map { number, size in
                    var state = UInt32(truncatingIfNeeded: id.utf8.reduce(5381) { $0 &* 33 &+ Int($1) } &+ number)
                    let bytes = (0..<size)
                        .map { _ -> UInt8 in
                            state = state &* 1_664_525 &+ 1_013_904_223
                            return UInt8(truncatingIfNeeded: state >> 24)
                        }
                    return ("\(name)-\(number).\(format)", bytes)
                }
        }
    }

    private struct State {
        var jobs: [Job] = []
        var faults: Set<Fault> = []
        var calls = 0
        var failsNewJobs = false
        var showsStrangeStatus = false
        /// The calls that hang, and who waits for one.
        var stalledCalls = 0
        var stallWatchers: [CheckedContinuation<Void, Never>] = []
    }

    /// The token that every call must carry.
    public let token: Secret
    private let clock: any TimeSource
    private let state = Mutex(State())

    /// Makes an empty account.
    public init(token: Secret = Secret("memory-upstream-token"), clock: any TimeSource = SystemTime()) {
        self.token = token
        self.clock = clock
    }

    /// The calls that have arrived so far.
    public var networkCalls: Int { state.withLock { $0.calls } }
    /// The jobs that have been started so far.
    public var startedJobs: Int { state.withLock { $0.jobs.count } }
    /// The clock; calls that are stalled sleep on it.
    public var now: Timestamp { clock.now() }

    /// The files of a job, once it has succeeded.
    public func files(of id: String) -> [(name: String, bytes: [UInt8])] { job(id)?.files ?? [] }

    /// Brings every job that is under way halfway.
    public func advanceJobs() { change { if $0.progress == 0 { $0.progress = 50 } } }

    /// Ends every job that is under way.
    public func finishJobs() { change { if !$0.isCanceled { $0.progress = 100 } } }

    /// Deletes the files of every job that has ended.
    public func expireFiles() { change { $0.isExpired = $0.progress == 100 } }

    /// Jobs started from now on fail.
    public func failJobs() { state.withLock { $0.failsNewJobs = true } }

    /// Jobs started from now on show a status that nobody has heard of.
    public func showStrangeStatus() { state.withLock { $0.showsStrangeStatus = true } }

    /// Puts a fault in force.
    public func add(_ fault: Fault) { state.withLock { _ = $0.faults.insert(fault) } }

    /// Ends every fault; jobs keep what they have.
    public func clearFaults() {
        state.withLock { state in
            state.faults = []
            state.failsNewJobs = false
            state.showsStrangeStatus = false
        }
    }

    /// Returns once a call hangs.
    public func callIsStalled() async {
        await withCheckedContinuation { continuation in
            let isStalled = state.withLock { state in
                if state.stalledCalls > 0 { return true }
                state.stallWatchers.append(continuation)
                return false
            }
            if isStalled { continuation.resume() }
        }
    }

    private func change(_ edit: (inout Job) -> Void) {
        state.withLock { state in for index in state.jobs.indices { edit(&state.jobs[index]) } }
    }
}

extension MemoryUpstream {
    /// What a call to this upstream meets before it is carried out.
    func receive(token: Secret) async throws(ProviderError) {
        guard !Task.isCancelled else { throw Self.givenUp }
        let faults = arrive()
        if faults.contains(.stalled) { try await hang() }
        if faults.contains(.tokenRejected) || token != self.token {
            throw ProviderError(.unauthenticated, "The upstream refused the token.", upstream: .init(status: 401))
        }
        for case .throttled(let wait) in faults {
            throw ProviderError(
                .throttled,
                "The upstream asks to wait.",
                retryAfter: wait,
                upstream: .init(status: 429)
            )
        }
        if faults.contains(.serverError) {
            throw ProviderError(.transient, "The upstream failed.", upstream: .init(status: 500))
        }
    }

    private static let givenUp = ProviderError(.transient, "The call was cancelled.", cause: CancellationError())

    private func hang() async throws(ProviderError) {
        let watchers = state.withLock { state in
            state.stalledCalls += 1
            defer { state.stallWatchers = [] }
            return state.stallWatchers
        }
        for watcher in watchers { watcher.resume() }
        defer { state.withLock { $0.stalledCalls -= 1 } }
        do { try await clock.sleep(for: .seconds(3600)) } catch { throw Self.givenUp }
    }

    /// Counts a call and tells the faults that it meets.
    @discardableResult
    func arrive() -> Set<Fault> {
        state.withLock { state in
            state.calls += 1
            return state.faults
        }
    }

    func start(name: String, format: String, marker: String) throws(ProviderError) -> Job {
        let (job, isCut) = state.withLock { state -> (Job, Bool) in
            var job = Job(id: "job-\(state.jobs.count + 1)", marker: marker, name: name, format: format)
            job.fails = state.failsNewJobs
            job.isStrange = state.showsStrangeStatus
            let isCut = !state.faults.isDisjoint(with: [.startCut(started: true), .startCut(started: false)])
            if !state.faults.contains(.startCut(started: false)) { state.jobs.append(job) }
            return (job, isCut)
        }
        if isCut { throw ProviderError(.ambiguous, "The call broke off before its answer came.") }
        return job
    }

    func job(_ id: String) -> Job? { state.withLock { $0.jobs.first { $0.id == id } } }

    func job(marked marker: String) -> Job? { state.withLock { $0.jobs.first { $0.marker == marker } } }

    func cancel(_ id: String) { change { if $0.id == id, $0.progress < 100 { $0.isCanceled = true } } }

    var downloadCut: Int64? {
        state.withLock { state in
            for case .downloadCut(let bytes) in state.faults { return bytes }
            return nil
        }
    }
}
