import ExportLedger
import Exports

// From tracking to settled.
extension ExportLife.Transition {
    var trackingDeadline: Timestamp {
        (record.progress.trackingSince ?? record.export.createdAt) + bound(settings.trackingDeadline)
    }

    mutating func observed(_ observation: Observation) {
        passOverHeldTime()
        record.progress.failures = 0
        record.progress.missingSince = nil
        record.progress.observeBeforeCancel = false
        record.export.upstream = UpstreamState(id: record.reference?.id, status: observation.upstreamStatus)
        record.export.observedAt = now
        record.export.stale = false
        record.progress.filesMissingSince = nil
        if observedAfterSuccess(observation) { return }
        record.export.notice = nil
        if let percent = observation.percentComplete { record.export.percentComplete = min(100, max(0, percent)) }
        if observation.status != .unknown { record.progress.unknownSince = nil }

        switch observation.status {
        case .notStarted, .running: goOn(observation)
        case .unknown: goOnUnknown(pollAfter: observation.pollAfter)
        case .succeeded, .partiallySucceeded: succeeded(observation)
        case .failed: failed(observation)
        case .canceled:
            record.export.completedAt = observation.completedAt
            record.export.cancellation = record.cancelWished ? .confirmed : record.export.cancellation
            settle(.canceled)
        case .expired:
            record.export.completedAt = observation.completedAt
            record.export.expiresAt = observation.expiresAt
            settle(.expired)
        }
    }

    private mutating func goOn(_ observation: Observation) {
        guard now < trackingDeadline else { return settleTimedOut() }
        if replaced(observation) { return }
        record.export.status = observation.status
        record.export.notice = observation.replacement.flatMap { noticeOfReplacement($0) }
        schedulePoll(after: observation.pollAfter)
    }

    private mutating func goOnUnknown(pollAfter: Duration?) {
        let since = record.progress.unknownSince ?? now
        record.progress.unknownSince = since
        guard now < min(since + settings.unknownBound, trackingDeadline) else {
            return settle(
                .unknown,
                error: ExportFailure(
                    .trackingTimedOut,
                    "The upstream stayed in a status that the gateway does not know. "
                        + "`upstream.status` holds it; look there for the export."
                )
            )
        }
        record.export.status = .unknown
        schedulePoll(after: pollAfter)
    }

    private mutating func schedulePoll(after wanted: Duration?) {
        let pace = Backoff(
            shortest: life.capabilities.minimumPollInterval,
            longest: settings.maximumPollInterval,
            factor: 1.5
        )
        let wait = pace.wait(after: record.progress.polls, jitter: jitter)
        record.progress.polls += 1
        schedule(after: wanted?.clamped(.seconds(1) ... .seconds(3600)) ?? wait, notAfter: trackingDeadline)
        // A cancel request that came during the poll must not wait for the next one.
        if record.cancelWished && record.progress.cancelAttempts == 0 { record.nextActionAt = now }
    }

    private mutating func succeeded(_ observation: Observation) {
        let expectsFiles = record.plan.destination == nil
        let lacksFiles = expectsFiles && observation.filesPending && observation.files.isEmpty
        if lacksFiles, filesAreLate() { return }
        let completedAt = observation.completedAt ?? record.export.completedAt ?? now
        record.export.completedAt = completedAt
        record.export.expiresAt =
            observation.expiresAt ?? life.capabilities.downloadLifetime.map { completedAt + $0 }
        record.export.files = observation.files
        record.export.destination = record.plan.destination
        let isPartial = observation.status == .partiallySucceeded
        settle(
            observation.status,
            error: isPartial ? observation.failure : nil,
            notice: expectsFiles && observation.files.isEmpty ? Self.noFiles : nil
        )
        guard lacksFiles else { return }
        // For callers the export has ended, but the gateway goes on polling for its files.
        record.phase = .tracking
        awaitFiles()
    }

    private mutating func failed(_ observation: Observation) {
        record.export.completedAt = observation.completedAt
        guard let wait = observation.resubmitAfter else {
            return replaced(observation) ? () : settle(.failed, error: observation.failure)
        }
        if record.cancelWished {
            record.export.cancellation = .confirmed
            return settle(.canceled)
        }
        guard record.progress.resubmissions < settings.resubmissionLimit else {
            return settle(
                .failed,
                error: ExportFailure(
                    .upstreamBusy,
                    "The upstream was too busy each of \(record.progress.resubmissions + 1) times. Try later.",
                    upstream: observation.failure?.upstream
                )
            )
        }
        startNewJob(
            after: wait,
            ExportNotice(
                .upstreamBusy,
                "The upstream was too busy. The export is started again "
                    + "(\(record.progress.resubmissions + 1) of \(settings.resubmissionLimit))."
            )
        )
    }

    mutating func observationFailed(_ error: ProviderError) {
        passOverHeldTime()
        record.progress.observeBeforeCancel = false
        if filesPollFailed(error) { return }
        if life.asksForAuthorization(error) { return awaitAuthorization(after: error) }
        // Only these two errors say that the job does not exist. Other failures do not change that.
        if error.code == .notFound || error.code == .gone {
            let since = record.progress.missingSince ?? now
            record.progress.missingSince = since
            guard now < since + settings.missingBound else { return settleMissing(error) }
        }
        let wait = failureWait(error)
        guard now < trackingDeadline else { return settleTimedOut() }
        record.export.stale = true
        record.export.notice = ExportNotice(error.problem, error.detail, upstream: error.upstream)
        schedule(after: wait, notAfter: trackingDeadline)
    }

    private mutating func settleMissing(_ error: ProviderError) {
        // An operator gave the id of the job, but the upstream has never known it. The start is unconfirmed again.
        if let reference = record.reference, record.export.observedAt == nil,
            record.progress.decision == SubmissionDecision.started(upstreamID: reference.id).text
        {
            return giveUpForGood(error, "The upstream knows no job with the id that somebody named for this export.")
        }
        settle(.failed, error: ExportFailure(error))
    }

    mutating func settleTimedOut(because error: ProviderError? = nil) {
        let hours = settings.trackingDeadline.hours
        let what =
            error.map {
                "It is not known whether the upstream finished the export within \(hours) hours and as many more in which the "
                    + "gateway's own request budget held it back. \($0.detail)"
            } ?? "The upstream did not finish the export within \(hours) hours."
        settle(
            .failed,
            error: ExportFailure(
                .trackingTimedOut,
                what + " The gateway stopped asking. The job may go on there."
            )
        )
    }

    /// Nothing can be done without the caller's token. The export waits for one, within the deadline of its next step.
    ///
    /// The notice tells the caller the reason, until there is a newer state. It also has the challenge, because only the caller's
    /// sign-in can answer that.
    mutating func awaitAuthorization(after error: ProviderError? = nil) {
        if filesAwaitAuthorization() { return }
        let deadline =
            switch record.phase {
            case .tracking: trackingDeadline
            case .submitting: reconcileDeadline
            case .accepted, .settled: record.progress.acceptedSince + settings.submissionDeadline
            }
        let isLate = now >= deadline
        if isLate { giveUpOnAuthorization(after: error) }
        guard record.phase != .settled else { return }
        let isKnownWhy = record.progress.awaitsAuthorization && record.export.notice?.asksForAuthorization == true
        record.progress.awaitsAuthorization = true
        // A start that was given up is reconciled when a token comes, for as long as it would be with one.
        record.nextActionAt = isLate ? lastReconcile : deadline
        guard !isLate else { return }
        record.export.stale = record.phase != .accepted
        if let error {
            record.export.notice = notice(of: error)
        } else if !isKnownWhy {
            record.export.notice = ExportNotice(
                .upstreamAuthorizationRequired,
                Self.noToken + "Ask for the export with the header Upstream-Authorization, and it goes on."
            )
        }
    }

    private func notice(of error: ProviderError) -> ExportNotice {
        if let challenge = error.challenge {
            return ExportNotice(
                error.problem,
                "\(error.detail) In base 64 they are: \(challenge.encodedClaims)",
                upstream: error.upstream
            )
        }
        let pause = settings.refusedTokenPause.components.seconds
        return ExportNotice(
            .upstreamAuthorizationRequired,
            "\(error.detail) The export waits: ask for it with another token in the header Upstream-Authorization, and it goes "
                + "on; with the same one, it does after \(pause) seconds.",
            upstream: error.upstream
        )
    }

    private mutating func giveUpOnAuthorization(after error: ProviderError?) {
        let detail = Self.noToken + (error.map { $0.detail + " " } ?? "")
        let upstream = error?.upstream ?? record.export.notice?.upstream
        if record.phase == .submitting {
            giveUp(
                because: ProviderError(
                    .unauthenticated,
                    detail + "The upstream could not be asked whether the export was started.",
                    upstream: upstream
                )
            )
        } else {
            settle(
                .failed,
                error: ExportFailure(
                    .upstreamAuthorizationRequired,
                    detail + "None was brought in time.",
                    upstream: upstream
                )
            )
        }
    }

    mutating func authorizationArrived() {
        guard record.progress.awaitsAuthorization else { return }
        record.progress.awaitsAuthorization = false
        record.nextActionAt = now
    }

    private static let noToken = "The export runs on its caller's own upstream token, and there is no valid one. "
    private static let noFiles = ExportNotice(
        .filesMissing,
        "The upstream says that the export succeeded, and lists no files for it."
    )
}

extension ExportNotice {
    fileprivate var asksForAuthorization: Bool {
        code == .upstreamAuthorizationRequired || code == .upstreamClaimsRequired
    }
}

extension Duration {
    fileprivate var hours: Int64 { components.seconds / 3600 }
}
