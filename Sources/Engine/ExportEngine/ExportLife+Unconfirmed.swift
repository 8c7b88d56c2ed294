import ExportLedger
import Exports

// Unconfirmed starts: the engine looks for the job, and starts nothing meanwhile.
extension ExportLife.Transition {
    private var recoveringSince: Timestamp { record.progress.recoveringSince ?? now }
    var reconcileDeadline: Timestamp { recoveringSince + bound(settings.reconcileDeadline) }
    /// The time of the last attempt: a job may appear after the export was given up.
    var lastReconcile: Timestamp { recoveringSince + bound(settings.reconcileDeadline * 8) }

    private var mayRepeat: Bool { life.ambiguousStart == .repeat && !record.progress.startIsAccepted }

    mutating func becomeUnconfirmed(_ error: ProviderError) {
        record.phase = .submitting
        record.progress.recoveringSince = record.progress.recoveringSince ?? now
        record.progress.startIsAccepted = error.code == .accepted
        record.progress.reconcileMisses = 0
        // If jobs cannot be canceled, there is no need to find the job first.
        if record.cancelWished, !life.capabilities.reconcile || !life.capabilities.cancel {
            return settleCanceledUnconfirmed()
        }
        if life.capabilities.reconcile {
            record.progress.failures = 0
            record.export.status = .unknown
            record.export.notice = Self.unconfirmed(because: error)
            schedule(after: max(settings.reconcileDelay, error.retryAfter ?? .zero), notAfter: reconcileDeadline)
        } else if mayRepeat {
            startAgainLater(after: failureWait(error), because: error)
        } else {
            giveUpForGood(
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
        guard mayRepeat else { return scheduleReconcile(after: nil) }
        // New jobs appear late in the upstreams' lists, so one list without the job is not enough, even where a second run is
        // accepted.
        guard record.progress.reconcileMisses >= 2 else { return schedule(after: settings.reconcileDelay) }
        startAgainLater(after: .zero, because: Self.notListed)
    }

    mutating func reconcileFailed(_ error: ProviderError) {
        if life.asksForAuthorization(error) { return awaitAuthorization(after: error) }
        guard error.code != .unsupported else {
            return giveUpForGood(
                error,
                "The upstream could not be asked whether the export was started. Look there before creating it again."
            )
        }
        record.progress.failures += 1
        if record.export.completedAt == nil { record.export.notice = Self.unconfirmed(because: error) }
        scheduleReconcile(after: error)
    }

    private mutating func scheduleReconcile(after error: ProviderError?) {
        if now >= reconcileDeadline { giveUp(because: error) }
        guard record.phase == .submitting else { return }
        let pace = Backoff(
            shortest: max(.milliseconds(100), settings.reconcileDelay),
            longest: max(settings.reconcileDelay, settings.maximumReconcileInterval)
        )
        // The first attempt came after the shortest wait.
        let attempts = record.progress.reconcileMisses + record.progress.failures
        let wait = max(pace.wait(after: attempts, jitter: jitter), error?.retryAfter ?? .zero)
        if record.export.completedAt == nil {
            schedule(after: wait, notAfter: reconcileDeadline)
        } else {
            schedule(after: max(wait, settings.reconcileDeadline / 4), notAfter: lastReconcile)
        }
    }

    /// The export ends for its caller. Its job is still bound to it if it appears later.
    mutating func giveUp(because error: ProviderError?) {
        if record.cancelWished { return settleCanceledUnconfirmed() }
        let failure = ExportFailure(
            .submissionUnconfirmed,
            "It could not be found out whether the upstream started the export. Look there before creating it again."
                + (error.map { " " + $0.detail } ?? ""),
            upstream: error?.upstream
        )
        if now >= lastReconcile { return settle(.unknown, error: record.export.error ?? failure) }
        record.export.status = .unknown
        record.export.completedAt = record.export.completedAt ?? now
        record.export.error = record.export.error ?? failure
        record.export.notice = nil
        record.export.stale = false
    }

    /// Ends the reconciliation: only an operator's decision can tell more.
    mutating func giveUpForGood(_ error: ProviderError, _ detail: String) {
        settle(.unknown, error: ExportFailure(.submissionUnconfirmed, detail, upstream: error.upstream))
    }

    mutating func decided(_ decision: ExportLife.Decision) {
        guard record.startIsUnconfirmed else { return }
        // A settled export begins again, under a new fence.
        if record.phase == .settled { record.fence += 1 }
        record.progress.decision = decision.asked.text
        switch decision {
        case .started(let submission):
            // An operator has chosen this job. Its age counts from now on, so that it is not replaced at once.
            record.submittingSince = now
            bind(submission)
        case .abandoned:
            settleCanceledUnconfirmed()
        case .notStarted:
            record.phase = .accepted
            record.submittingSince = nil
            record.upstreamSubmittingSince = nil
            record.progress.recoveringSince = nil
            record.progress.startIsAccepted = false
            record.progress.acceptedSince = now
            record.progress.failures = 0
            record.progress.awaitsAuthorization = false
            record.export.status = .notStarted
            record.export.completedAt = nil
            record.export.error = nil
            record.export.notice = nil
            record.export.stale = false
            record.nextActionAt = now
            if record.cancelWished { settleCanceledBeforeStart() }
        }
    }

    static func unconfirmed(because error: ProviderError) -> ExportNotice {
        ExportNotice(
            .submissionUnconfirmed,
            (error.code == .accepted
                ? "The upstream accepted the export and did not say under which id it runs. The gateway looks for it. "
                : "It is not known whether the upstream started the export. The gateway looks for it. ") + error.detail,
            upstream: error.upstream
        )
    }

    private static let notListed = ProviderError(
        .transient,
        "The upstream lists no job for the export. The gateway starts it again, because ambiguousStart is repeat."
    )
}

extension ExportLife.Decision {
    /// The decision as it was requested.
    var asked: SubmissionDecision {
        switch self {
        case .started(let submission): .started(upstreamID: submission.reference.id)
        case .notStarted: .notStarted
        case .abandoned: .abandoned
        }
    }
}

extension SubmissionDecision {
    /// As the ledger stores it, to recognise the same one.
    var text: String {
        switch self {
        case .started(let upstreamID): "started " + upstreamID
        case .notStarted: "notStarted"
        case .abandoned: "abandoned"
        }
    }
}

extension LedgerRecord {
    /// Whether the present start is unconfirmed: it is unknown whether it happened, and no call is under way that would tell.
    var startIsUnconfirmed: Bool {
        switch phase {
        case .accepted: isHeld
        case .submitting: isHeld || progress.recoveringSince != nil && nextActionAt != nil
        case .settled: export.status == .unknown && export.error?.code == .submissionUnconfirmed
        case .tracking: false
        }
    }
}
