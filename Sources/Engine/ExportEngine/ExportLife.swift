import ExportLedger
import Exports

/// The life of an export as a state machine: it takes a record and an event, and returns the next record. It has no I/O, no clock
/// and no randomness of its own, so that every transition can be tested with plain values.
///
/// The invariants:
///
/// - A final status stays, except that a success may become `expired`, and that an unconfirmed start may be found or decided
///   later.
/// - A start is stored before it is made.
/// - Nothing is started twice, unless the first start certainly did not happen, or the operator accepts a second run.
/// - Nothing of a restored backup is started before an operator has decided.
struct ExportLife: Sendable {
    let capabilities: ProviderCapabilities
    var ambiguousStart = AmbiguousStart.hold
    let settings: EngineSettings

    /// What happens to an export.
    enum Event: Sendable {
        /// A start is about to be made. It is made if the record's phase is `submitting` after this.
        case submissionBegins(secretsInMemory: Bool, upstreamTime: Timestamp? = nil)
        case submitted(Submission)
        /// The call certainly started nothing, and will be repeated, because its token was refused.
        case startRefused
        case submissionFailed(ProviderError)
        /// The gateway was restarted and found the export unfinished.
        case resumed
        /// The ledger was restored from a backup: the export may have been started since.
        case restored
        case reconciled(Submission?)
        case reconcileFailed(ProviderError)
        /// An operator decides the outcome of an unconfirmed start.
        case decided(Decision)
        case observed(Observation)
        case observationFailed(ProviderError)
        /// The gateway's own request budget has no place for the call. Where `mayEnd`, the export ends when its time is over.
        case heldBack(ProviderError, mayEnd: Bool)
        /// The caller's token is needed, and is not in memory.
        case authorizationMissing
        case authorizationArrived
        /// `withOwnersToken` says whether the job may be canceled upstream too, where that needs the owner's token.
        case cancelRequested(withOwnersToken: Bool)
        case canceledUpstream
        case cancelFailed(ProviderError)
        /// The files have expired.
        case filesGone
        /// A file could not be opened, and the upstream was polled for the job.
        case filesAsked(FileWord)
        /// A file, or a part of it, was sent to a caller.
        case delivered(Delivery)
        /// The connection is not configured any more.
        case connectionMissing
        /// Somebody keeps the export, or does not any more.
        case retained(Bool)
    }

    /// An operator's decision about an unconfirmed start.
    enum Decision: Sendable {
        case started(Submission)
        case notStarted
        case abandoned
    }

    /// The next step of an export, due at the record's `nextActionAt`.
    enum Step: Sendable, Hashable {
        case submit
        case reconcile
        case observe
        case cancel
        /// Wait for a caller's token, and give up when the time is over.
        case awaitAuthorization
        case nothing
    }

    /// The next step of a record. Must not be called for a `submitting` record whose start is still under way.
    func step(of record: LedgerRecord) -> Step {
        if record.phase == .settled || record.isHeld { return .nothing }
        if record.progress.awaitsAuthorization { return .awaitAuthorization }
        switch record.phase {
        case .accepted: return .submit
        case .submitting: return .reconcile
        case .tracking: return wishIsDue(record) ? .cancel : .observe
        case .settled: return .nothing
        }
    }

    /// Whether an error says that the caller's own token is missing or not valid, so that a new one would help.
    func asksForAuthorization(_ error: ProviderError) -> Bool {
        error.code == .unauthenticated
            && (capabilities.delegatedOnly || error.problem == .upstreamAuthorizationRequired)
    }

    /// Applies an event. An event that does not fit the record's phase changes nothing. `jitter` is in 0..<1. `held` is how
    /// long the gateway's own request budget has held the export's work back; nil takes the stored value.
    func apply(
        _ event: Event,
        to record: inout LedgerRecord,
        at now: Timestamp,
        jitter: Double,
        held: HeldTime? = nil
    ) {
        let before = record.export
        let scheduled = record.nextActionAt
        let held = held ?? HeldTime(record.progress)
        var transition = Transition(life: self, record: record, now: now, jitter: jitter, held: held)
        transition.correctTimes()
        transition.take(event)
        transition.writeHeldTime(after: event)
        record = transition.record
        record.scheduledAt =
            record.nextActionAt == nil ? nil : scheduled == record.nextActionAt ? record.scheduledAt : now
        record.export.tracking = record.tracking
        if record.export.isVisiblyOther(than: before) {
            record.export.revision = before.revision + 1
            record.export.updatedAt = now
        }
    }

    /// Whether the time of an export is over although the request budget holds it back.
    func isOverdue(_ record: LedgerRecord, at now: Timestamp, held: HeldTime) -> Bool {
        Transition(life: self, record: record, now: now, jitter: 0, held: held).isOverdue
    }

    private func wishIsDue(_ record: LedgerRecord) -> Bool {
        record.cancelWished && !record.progress.observeBeforeCancel
    }

    /// A transition: one event applied to a record.
    struct Transition {
        let life: ExportLife
        var record: LedgerRecord
        let now: Timestamp
        let jitter: Double
        var held = HeldTime.none

        var settings: EngineSettings { life.settings }

        mutating func take(_ event: Event) {
            if case .retained(let isRetained) = event {
                // Since the first time that somebody asked for it.
                record.export.retainedAt = isRetained ? record.export.retainedAt ?? now : nil
                return
            }
            if record.isHeld { return takeWhileHeld(event) }
            switch (record.phase, event) {
            case (_, .decided(let decision)): decided(decision)
            case (_, .restored): restored()
            case (.settled, .filesGone), (.tracking, .filesGone): expire()
            case (.settled, .filesAsked(let word)), (.tracking, .filesAsked(let word)): filesAsked(word)
            case (.settled, .delivered(let delivery)): delivered(delivery)
            case (.settled, _): break
            case (.accepted, .submissionBegins(let secretsInMemory, let upstreamTime)):
                beginSubmission(secretsInMemory: secretsInMemory, upstreamTime: upstreamTime)
            case (.accepted, .submitted(let submission)), (.submitting, .submitted(let submission)): bind(submission)
            case (.submitting, .startRefused): startRefused()
            case (.accepted, .submissionFailed(let error)), (.submitting, .submissionFailed(let error)):
                submissionFailed(error)
            case (_, .resumed): resumed()
            case (.submitting, .reconciled(let submission)): reconciled(submission)
            // An operator decided that it was not started, while a reconciliation was under way, which has found the job.
            case (.accepted, .reconciled(.some(let submission))): bind(submission)
            case (.submitting, .reconcileFailed(let error)): reconcileFailed(error)
            case (.tracking, .observed(let observation)): observed(observation)
            case (.tracking, .observationFailed(let error)): observationFailed(error)
            case (.tracking, .heldBack(let error, let mayEnd)), (.submitting, .heldBack(let error, let mayEnd)):
                heldBack(error, mayEnd: mayEnd)
            case (.tracking, .canceledUpstream): canceledUpstream()
            case (.tracking, .cancelFailed(let error)): cancelFailed(error)
            case (_, .cancelRequested(let withOwnersToken)): cancelRequested(withOwnersToken: withOwnersToken)
            case (_, .authorizationMissing): awaitAuthorization()
            case (_, .authorizationArrived): authorizationArrived()
            case (_, .connectionMissing): connectionMissing()
            default: break
            }
        }

        mutating func schedule(after wait: Duration, notAfter deadline: Timestamp? = nil) {
            let time = now + wait.clamped(.zero ... .seconds(7 * 86_400))
            record.nextActionAt = deadline.map { max(now, min(time, $0)) } ?? time
        }

        /// The wait after one more failure in a row: what the upstream asks for, otherwise a backoff.
        mutating func failureWait(_ error: ProviderError) -> Duration {
            let backoff = Backoff(shortest: .seconds(2), longest: settings.maximumPollInterval)
            let wait = backoff.wait(after: record.progress.failures, jitter: jitter)
            record.progress.failures += 1
            guard let asked = error.retryAfter?.clamped(.seconds(1) ... .seconds(86_400)) else { return wait }
            // Up to an eighth longer, so that exports that were refused at the same time do not come back at the same time.
            return asked + asked * (jitter / 8)
        }

        private mutating func connectionMissing() {
            record.nextActionAt = nil
            record.export.stale = record.phase != .accepted
            record.export.notice = ExportNotice(
                .unavailable,
                "The connection \(record.export.connection) is not configured any more. "
                    + "The export goes on when it is configured again."
            )
        }
    }
}

extension ExportFailure {
    /// Converts an adapter's error to the error of an export.
    init(_ error: ProviderError) {
        self.init(error.problem, error.detail, upstream: error.upstream)
    }
}

extension Export {
    /// Whether a client would see a difference, except in `observedAt`.
    fileprivate func isVisiblyOther(than other: Export) -> Bool {
        var copy = other
        copy.observedAt = observedAt
        copy.updatedAt = updatedAt
        copy.revision = revision
        return self != copy
    }
}
