import ExportLedger
import Exports

/// The life of an export as a state machine: a record and an event in, the next record out. No I/O, no clock, no
/// randomness of its own, so that every turn of it can be tested with plain values.
///
/// What must hold: an end is not left, but for `expired` after a success and for an unconfirmed start that is found or
/// decided after all; a start is written down before it is made; nothing is started twice unless the first start surely did
/// not happen, or the operator accepts that.
struct ExportLife: Sendable {
    let capabilities: ProviderCapabilities
    var ambiguousStart = AmbiguousStart.hold
    let settings: EngineSettings

    /// What happens to an export.
    enum Event: Sendable {
        /// A start is about to be made: it is, if the record's phase is `submitting` after this.
        case submissionBegins(secretsAtHand: Bool, upstreamTime: Timestamp? = nil)
        case submitted(Submission)
        /// The call has surely started nothing, and is going to be made again: its token was refused.
        case startRefused
        case submissionFailed(ProviderError)
        /// The gateway has started anew and found the export unfinished.
        case resumed
        case reconciled(Submission?)
        case reconcileFailed(ProviderError)
        /// Somebody says what became of a start that is not confirmed.
        case decided(Decision)
        case observed(Observation)
        case observationFailed(ProviderError)
        /// The gateway's own request budget has no place to ask the upstream. Where `mayEnd`, the export ends when the time for that
        /// is over.
        case heldBack(ProviderError, mayEnd: Bool)
        /// The caller's token is needed and not at hand, or still not.
        case authorizationMissing
        case authorizationArrived
        /// `withOwnersToken` says whether it may be wished upstream too, where that takes the owner's token.
        case cancelRequested(withOwnersToken: Bool)
        case canceledUpstream
        case cancelFailed(ProviderError)
        /// The time of the files is over.
        case filesGone
        /// A file could not be had, and the upstream was asked what it says of the job.
        case filesAsked(FileWord)
        /// A file, or a part of it, was sent to a caller.
        case delivered(Delivery)
        /// The connection is not configured any more.
        case connectionMissing
    }

    /// What is said of a start that is not confirmed.
    enum Decision: Sendable {
        case started(Submission)
        case notStarted
        case abandoned
    }

    /// What is to be done next, at the record's `nextActionAt`.
    enum Step: Sendable, Hashable {
        case submit
        case reconcile
        case observe
        case cancel
        /// Wait for a caller's token; give up when the time has come.
        case awaitAuthorization
        case nothing
    }

    /// What a record asks for. A `submitting` record of a start that is still under way must not be asked.
    func step(of record: LedgerRecord) -> Step {
        if record.phase == .settled { return .nothing }
        if record.progress.awaitsAuthorization { return .awaitAuthorization }
        switch record.phase {
        case .accepted: return .submit
        case .submitting: return .reconcile
        case .tracking: return wishIsDue(record) ? .cancel : .observe
        case .settled: return .nothing
        }
    }

    /// Whether an error says that the caller's own token is missing or not good, and a new one would help.
    func asksForAuthorization(_ error: ProviderError) -> Bool {
        error.code == .unauthenticated
            && (capabilities.delegatedOnly || error.problem == .upstreamAuthorizationRequired)
    }

    /// Whether the export runs on the token of somebody else than who asks.
    func isOthers(_ export: Export, _ authorization: CallerAuthorization) -> Bool {
        capabilities.delegatedOnly && !authorization.isOwner(of: export)
    }

    /// Applies an event. Events that do not fit the record's phase change nothing. `jitter` is in 0..<1. `held` is for how long
    /// the gateway's own request budget has held the export's work back; nil for what was written down of it.
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
        var turn = Turn(life: self, record: record, now: now, jitter: jitter, held: held)
        turn.correctTimes()
        turn.take(event)
        turn.writeHeldTime(after: event)
        record = turn.record
        record.scheduledAt =
            record.nextActionAt == nil ? nil : scheduled == record.nextActionAt ? record.scheduledAt : now
        record.export.tracking = record.tracking
        if record.export.isVisiblyOther(than: before) {
            record.export.revision = before.revision + 1
            record.export.updatedAt = now
        }
    }

    /// Whether an export that is held back by the request budget has come to the end of its time all the same.
    func isOverdue(_ record: LedgerRecord, at now: Timestamp, held: HeldTime) -> Bool {
        Turn(life: self, record: record, now: now, jitter: 0, held: held).isOverdue
    }

    private func wishIsDue(_ record: LedgerRecord) -> Bool {
        record.cancelWished && !record.progress.observeBeforeCancel
    }

    /// The record in the middle of one event.
    struct Turn {
        let life: ExportLife
        var record: LedgerRecord
        let now: Timestamp
        let jitter: Double
        var held = HeldTime.none

        var settings: EngineSettings { life.settings }

        mutating func take(_ event: Event) {
            switch (record.phase, event) {
            case (_, .decided(let decision)): decided(decision)
            case (.settled, .filesGone), (.tracking, .filesGone): expire()
            case (.settled, .filesAsked(let word)), (.tracking, .filesAsked(let word)): filesAsked(word)
            case (.settled, .delivered(let delivery)): delivered(delivery)
            case (.settled, _): break
            case (.accepted, .submissionBegins(let secretsAtHand, let upstreamTime)):
                beginSubmission(secretsAtHand: secretsAtHand, upstreamTime: upstreamTime)
            case (.accepted, .submitted(let submission)), (.submitting, .submitted(let submission)): bind(submission)
            case (.submitting, .startRefused): startRefused()
            case (.accepted, .submissionFailed(let error)), (.submitting, .submissionFailed(let error)):
                submissionFailed(error)
            case (_, .resumed): resumed()
            case (.submitting, .reconciled(let submission)): reconciled(submission)
            // Somebody decided that it was not started, while the look was under way that has found it.
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

        /// The wait after one more failure in a row: as the upstream says, else backing off.
        mutating func failureWait(_ error: ProviderError) -> Duration {
            let backoff = Backoff(shortest: .seconds(2), longest: settings.maximumPollInterval)
            let wait = backoff.wait(after: record.progress.failures, jitter: jitter)
            record.progress.failures += 1
            guard let asked = error.retryAfter?.clamped(.seconds(1) ... .seconds(86_400)) else { return wait }
            // Up to an eighth later: all that were refused at once must not come back at once.
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
    /// An adapter's error as the end of an export.
    init(_ error: ProviderError) {
        self.init(error.problem, error.detail, upstream: error.upstream)
    }
}

extension Export {
    /// Whether a client would see a difference, `observedAt` aside.
    fileprivate func isVisiblyOther(than other: Export) -> Bool {
        var copy = other
        copy.observedAt = observedAt
        copy.updatedAt = updatedAt
        copy.revision = revision
        return self != copy
    }
}
