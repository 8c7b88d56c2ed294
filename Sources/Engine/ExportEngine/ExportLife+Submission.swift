import ExportLedger
import Exports

// From accepted to submitting to tracking, with all failures on the way.
extension ExportLife.Transition {
    private var submissionDeadline: Timestamp { record.progress.acceptedSince + settings.submissionDeadline }

    /// Handles a restart of the gateway. The time in which it did not run does not count for the limits on starts.
    mutating func resumed() {
        switch record.phase {
        case .accepted:
            record.progress.acceptedSince = now
        case .submitting:
            record.progress.acceptedSince = now
            // The reconciliation of an unconfirmed start goes on as before.
            if !record.startIsUnconfirmed || !life.capabilities.reconcile { becomeUnconfirmed(Self.interrupted) }
            if record.phase == .submitting { record.export.status = .unknown }
        case .tracking, .settled:
            break
        }
    }

    mutating func beginSubmission(secretsInMemory: Bool, upstreamTime: Timestamp?) {
        if record.plan.needsSecrets && !secretsInMemory {
            return settle(
                .failed,
                error: ExportFailure(
                    .secretLost,
                    record.progress.resubmissions == 0
                        ? "The gateway was restarted before the export was started, and it stores secrets "
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

    /// Handles a start whose call certainly started nothing. Only for a start under way: of an unconfirmed one nothing is known.
    mutating func startRefused() {
        guard record.nextActionAt == nil else { return }
        record.phase = .accepted
        record.progress.submissionAttempts -= 1
        clearAttempt()
        // From now on it counts as waiting. In this process the start under way continues; only an engine that takes the export
        // over may begin a new one.
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
            clearAttempt()
            record.cancelWished ? settleCanceledBeforeStart() : awaitAuthorization(after: error)
        case .unauthenticated, .invalid, .forbidden, .notFound, .gone, .conflict, .unsupported, .permanent:
            settle(.failed, error: ExportFailure(error))
        }
    }

    /// Retries the start, within the deadline for starts: nothing was started, or the operator accepts a second run.
    mutating func startAgainLater(after wait: Duration, because error: ProviderError) {
        record.phase = .accepted
        clearAttempt()
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

    /// The gateway's own request budget has no place yet. That is no failure, and its time does not count as the upstream's.
    private mutating func waitForBudget(_ error: ProviderError) {
        record.phase = .accepted
        clearAttempt()
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

    /// Takes the gateway's own waiting off the deadline for starts. The deadline is for what the upstream defers: the time in
    /// which a start waited for a task, or for its place in the request budget, does not count.
    private mutating func excuseWaiting() {
        let isQueued = record.export.notice?.code == .queued
        let since = (isQueued ? record.scheduledAt : record.nextActionAt) ?? record.progress.acceptedSince
        let waited = max(.zero, now - since)
        record.progress.acceptedSince = min(now, record.progress.acceptedSince + waited)
    }

    /// Removes an attempt that certainly started nothing. So no job that is older than the next attempt counts as its job.
    private mutating func clearAttempt() {
        guard record.progress.recoveringSince == nil else { return }
        record.submittingSince = nil
        record.upstreamSubmittingSince = nil
    }

    private static let interrupted = ProviderError(
        .ambiguous,
        "The gateway ended while it started the export, before the upstream's answer was stored."
    )
}
