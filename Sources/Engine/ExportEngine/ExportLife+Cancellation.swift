import ExportLedger
import Exports

// Cancel requests: recorded at once, completed when the upstream confirms them.
extension ExportLife.Transition {
    mutating func cancelRequested(withOwnersToken: Bool) {
        // A success stays a success, also while its files are polled for.
        if record.export.status.isTerminal { return }
        // Decided by the phase of the record as it is in this transaction, because a start may just have been made.
        let isAskedUpstream = life.capabilities.cancel && [.submitting, .tracking].contains(record.phase)
        guard withOwnersToken || !isAskedUpstream else { return }
        // It was given up before, so it has already ended.
        guard record.export.completedAt == nil else { return }
        record.progress.cancelRefusal = nil
        record.progress.cancelAttempts = 0
        switch record.phase {
        case .accepted:
            settleCanceledBeforeStart()
            shutOutOwner()
        case .submitting:
            record.cancelWished = true
            record.export.cancellation = .requested
            // If jobs cannot be canceled, there is no need to find the job first.
            if record.startIsUnconfirmed, !life.capabilities.cancel {
                settleCanceledUnconfirmed()
                shutOutOwner()
            }
        case .tracking:
            record.cancelWished = true
            record.progress.observeBeforeCancel = false
            actOnWish()
            if record.phase == .settled { shutOutOwner() }
        case .settled:
            break
        }
    }

    /// Cancels a job that runs upstream.
    mutating func actOnWish() {
        guard life.capabilities.cancel else { return stopTracking() }
        record.cancelWished = true
        record.export.cancellation = .requested
        record.nextActionAt = record.progress.awaitsAuthorization ? record.nextActionAt : now
    }

    mutating func canceledUpstream() {
        record.progress.cancelAttempts += 1
        record.export.observedAt = now
        record.export.cancellation = .confirmed
        settle(.canceled)
    }

    mutating func cancelFailed(_ error: ProviderError) {
        record.progress.cancelAttempts += 1
        switch error.code {
        case .throttled, .transient, .ambiguous, .accepted:
            // The job may have ended in the meantime, so it is polled before the next attempt to cancel it.
            record.progress.observeBeforeCancel = true
            record.export.notice = ExportNotice(error.problem, error.detail)
            schedule(after: failureWait(error))
        case .unauthenticated where life.asksForAuthorization(error):
            awaitAuthorization(after: error)
        case .unsupported:
            stopTracking()
        case .unauthenticated, .invalid, .forbidden, .notFound, .gone, .conflict, .permanent:
            record.cancelWished = false
            record.export.cancellation = nil
            record.progress.cancelRefusal = ExportFailure(error)
            record.export.notice = ExportNotice(error.problem, error.detail)
            schedule(after: life.capabilities.minimumPollInterval)
        }
    }

    mutating func settleCanceledBeforeStart() {
        record.export.cancellation = .confirmed
        settle(.canceled)
    }

    mutating func settleCanceledUnconfirmed() {
        record.export.cancellation = .unsupported
        settle(
            .canceled,
            notice: ExportNotice(
                .submissionUnconfirmed,
                "It is not known whether the upstream had started the export; if so, it goes on there."
            )
        )
    }

    private mutating func stopTracking() {
        record.export.cancellation = .unsupported
        settle(
            .canceled,
            notice: ExportNotice(
                .unsupportedByProvider,
                "The provider cannot cancel: the gateway stopped tracking the export, and it may go on upstream."
            )
        )
    }

    /// Invalidates the fence: a task may be in the middle of a call for this export, and its outcome must not be stored.
    private mutating func shutOutOwner() { record.fence += 1 }
}
