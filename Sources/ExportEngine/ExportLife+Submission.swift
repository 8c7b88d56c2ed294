import ExportLedger
import Exports

// Accepted → submitting → tracking, and what can come between.
extension ExportLife.Turn {
    private var submissionDeadline: Timestamp { record.progress.acceptedSince + settings.submissionDeadline }

    /// The time in which the gateway did not run counts for no bound on starts.
    mutating func resumed() {
        switch record.phase {
        case .accepted:
            record.progress.acceptedSince = now
        case .submitting:
            record.progress.acceptedSince = now
            becomeUnconfirmed(Self.interrupted)
        case .tracking, .settled:
            break
        }
    }

    mutating func beginSubmission(secretsAtHand: Bool) {
        if record.plan.needsSecrets && !secretsAtHand {
            return settle(
                .failed,
                error: ExportFailure(
                    .secretLost,
                    record.progress.resubmissions == 0
                        ? "The gateway was restarted before the export was started, and it writes secrets down "
                            + "nowhere. Create it again."
                        : "The upstream was too busy, and the secret for another start was not kept after the first. "
                            + "Create it again."
                )
            )
        }
        record.phase = .submitting
        record.submittingSince = record.submittingSince ?? now
        record.progress.submissionAttempts += 1
        record.nextActionAt = nil
    }

    mutating func bind(_ submission: Submission) {
        record.phase = .tracking
        record.reference = submission.reference
        record.progress.trackingSince = record.progress.trackingSince ?? now
        record.progress.recoveringSince = nil
        record.progress.unknownSince = nil
        record.progress.reconcileMisses = 0
        record.progress.fileLagAttempts = 0
        record.progress.polls = 0
        record.progress.failures = 0
        record.progress.missing = 0
        record.export.upstream = UpstreamState(id: submission.reference.id)
        record.export.stale = false
        record.export.notice = nil
        schedule(after: life.capabilities.minimumPollInterval)
        if let observation = submission.observation { observed(observation) }
        if record.phase == .tracking && record.cancelWished { actOnWish() }
    }

    mutating func submissionFailed(_ error: ProviderError) {
        switch error.code {
        case .throttled, .transient:
            startAgainLater(after: failureWait(error), because: error)
        case .ambiguous:
            becomeUnconfirmed(error)
        case .unauthenticated where life.asksForAuthorization(error):
            record.phase = .accepted
            record.cancelWished ? settleCanceledBeforeStart() : awaitAuthorization(after: error)
        case .unauthenticated, .invalid, .forbidden, .notFound, .gone, .conflict, .unsupported, .permanent:
            settle(.failed, error: ExportFailure(error))
        }
    }

    /// Nothing was started: tried again, within the time for starts.
    private mutating func startAgainLater(after wait: Duration, because error: ProviderError) {
        record.phase = .accepted
        if record.cancelWished { return settleCanceledBeforeStart() }
        guard now + wait <= submissionDeadline else {
            return error.code == .ambiguous
                ? settleUnconfirmed(error, "No start was confirmed in time. Look upstream before creating it again.")
                : settle(.failed, error: ExportFailure(error))
        }
        schedule(after: wait)
        record.export.notice = ExportNotice(error.problem, error.detail, upstream: error.upstream)
    }

    /// A job may run upstream. It is looked for, started again where that does no harm, or left as it is, honestly.
    mutating func becomeUnconfirmed(_ error: ProviderError) {
        if life.capabilities.reconcile {
            record.progress.recoveringSince = now
            record.progress.reconcileMisses = 0
            record.progress.failures = 0
            schedule(after: settings.reconcileDelay)
            record.export.notice = ExportNotice(
                .submissionUnconfirmed,
                "It is not known whether the upstream started the export. The gateway looks for it."
            )
        } else if record.cancelWished {
            settleCanceledUnconfirmed()
        } else if life.capabilities.resubmitIsHarmless {
            startAgainLater(after: failureWait(error), because: error)
        } else {
            settleUnconfirmed(
                error,
                "The upstream cannot be asked whether the export was started, and a second run could do harm. "
                    + "Look there before creating it again."
            )
        }
    }

    mutating func reconciled(_ submission: Submission?) {
        if let submission { return bind(submission) }
        record.progress.reconcileMisses += 1
        record.progress.failures = 0
        // Upstreams list late: one answer that there is none is not enough.
        guard record.progress.reconcileMisses >= 2 else { return schedule(after: settings.reconcileDelay) }
        record.progress.recoveringSince = nil
        record.progress.reconcileMisses = 0
        startAgainLater(after: .zero, because: Self.surelyNotStarted)
    }

    mutating func reconcileFailed(_ error: ProviderError) {
        if life.asksForAuthorization(error) { return awaitAuthorization(after: error) }
        let wait = failureWait(error)
        let deadline = (record.progress.recoveringSince ?? now) + settings.submissionDeadline
        guard error.code != .unsupported, now + wait <= deadline else {
            return settleUnconfirmed(
                error,
                "The upstream could not be asked whether the export was started. "
                    + "Look there before creating it again."
            )
        }
        schedule(after: wait)
        record.export.notice = ExportNotice(error.problem, error.detail, upstream: error.upstream)
    }

    private mutating func settleUnconfirmed(_ error: ProviderError, _ detail: String) {
        settle(.unknown, error: ExportFailure(.submissionUnconfirmed, detail, upstream: error.upstream))
    }

    private static let interrupted = ProviderError(
        .ambiguous,
        "The gateway ended while it started the export, before the upstream's answer was written down."
    )
    private static let surelyNotStarted = ProviderError(
        .transient,
        "The upstream has not started the export; the gateway starts it again."
    )
}
