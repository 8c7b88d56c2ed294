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
            // A job that is being looked for is looked for as before.
            if !record.startIsUnconfirmed || !life.capabilities.reconcile { becomeUnconfirmed(Self.interrupted) }
            if record.phase == .submitting { record.export.status = .unknown }
        case .tracking, .settled:
            break
        }
    }

    mutating func beginSubmission(secretsAtHand: Bool, upstreamTime: Timestamp?) {
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
        excuseWaiting()
        if record.export.notice?.code == .queued { record.export.notice = nil }
        record.phase = .submitting
        if record.submittingSince == nil {
            record.submittingSince = now
            record.upstreamSubmittingSince = upstreamTime
        }
        record.progress.submissionAttempts += 1
        record.progress.startIsAccepted = false
        record.nextActionAt = nil
    }

    /// Only a start that is under way: nothing is known of an unconfirmed one.
    mutating func startRefused() {
        guard record.nextActionAt == nil else { return }
        record.phase = .accepted
        record.progress.submissionAttempts -= 1
        forgetAttempt()
        // It counts as waiting from now on; nobody else is to begin it meanwhile but an engine that finds it.
        record.nextActionAt = now
        if record.cancelWished { settleCanceledBeforeStart() }
    }

    mutating func bind(_ submission: Submission) {
        record.phase = .tracking
        record.reference = submission.reference
        record.progress.trackingSince = record.progress.trackingSince ?? now
        record.progress.recoveringSince = nil
        record.progress.unknownSince = nil
        record.progress.missingSince = nil
        record.progress.reconcileMisses = 0
        record.progress.fileLagAttempts = 0
        record.progress.polls = 0
        record.progress.failures = 0
        record.progress.awaitsAuthorization = false
        record.export.upstream = UpstreamState(id: submission.reference.id)
        record.export.status = .notStarted
        record.export.completedAt = nil
        record.export.error = nil
        record.export.stale = false
        record.export.notice = nil
        schedule(after: life.capabilities.minimumPollInterval)
        if let observation = submission.observation { observed(observation) }
        if record.phase == .tracking && record.cancelWished { actOnWish() }
    }

    mutating func submissionFailed(_ error: ProviderError) {
        if record.phase == .accepted { excuseWaiting() }
        if error.isOwnWait { return waitForBudget(error) }
        switch error.code {
        case .throttled, .transient:
            startAgainLater(after: failureWait(error), because: error)
        case .ambiguous, .accepted:
            becomeUnconfirmed(error)
        case .unauthenticated where life.asksForAuthorization(error):
            record.phase = .accepted
            forgetAttempt()
            record.cancelWished ? settleCanceledBeforeStart() : awaitAuthorization(after: error)
        case .unauthenticated, .invalid, .forbidden, .notFound, .gone, .conflict, .unsupported, .permanent:
            settle(.failed, error: ExportFailure(error))
        }
    }

    /// Tried again, within the time for starts: nothing was started, or the operator accepts a second run.
    mutating func startAgainLater(after wait: Duration, because error: ProviderError) {
        record.phase = .accepted
        forgetAttempt()
        if record.cancelWished { return settleCanceledBeforeStart() }
        guard now + wait <= submissionDeadline else {
            return record.progress.recoveringSince != nil
                ? giveUpForGood(error, "No start was confirmed in time. Look upstream before creating it again.")
                : settle(.failed, error: ExportFailure(error))
        }
        record.export.status = .notStarted
        schedule(after: wait)
        record.export.notice = ExportNotice(error.problem, error.detail, upstream: error.upstream)
    }

    /// The gateway's own request budget has no place yet: that is no failure, and no time of the upstream's.
    private mutating func waitForBudget(_ error: ProviderError) {
        record.phase = .accepted
        forgetAttempt()
        if record.cancelWished { return settleCanceledBeforeStart() }
        record.export.status = .notStarted
        var notice = ExportNotice(
            .queued,
            "The start waits for its place in the gateway's own request budget, which keeps to what the upstream allows."
        )
        notice.position = error.queue?.position
        notice.estimatedStart = error.queue.map { now + $0.estimatedWait }
        record.export.notice = notice
        schedule(after: error.retryAfter ?? .seconds(1))
    }

    /// The deadline for starts is for what the upstream puts off: the time in which a start waited here, for a task or for
    /// its place in the request budget, does not count.
    private mutating func excuseWaiting() {
        let isQueued = record.export.notice?.code == .queued
        let since = (isQueued ? record.scheduledAt : record.nextActionAt) ?? record.progress.acceptedSince
        let waited = max(.zero, now - since)
        record.progress.acceptedSince = min(now, record.progress.acceptedSince + waited)
    }

    /// An attempt that surely started nothing has no job, and none that is older than the next attempt is that one's.
    private mutating func forgetAttempt() {
        guard record.progress.recoveringSince == nil else { return }
        record.submittingSince = nil
        record.upstreamSubmittingSince = nil
    }

    private static let interrupted = ProviderError(
        .ambiguous,
        "The gateway ended while it started the export, before the upstream's answer was written down."
    )
}
