import ExportLedger
import Exports

// The wish to cancel: recorded at once, fulfilled when the upstream confirms it.
extension ExportLife.Turn {
    mutating func cancelRequested(withOwnersToken: Bool) {
        // A success whose files are still looked for is a success.
        if record.export.status.isTerminal { return }
        // Decided here, on the phase of the moment: a start may just have been made.
        let isAskedUpstream = life.capabilities.cancel && [.submitting, .tracking].contains(record.phase)
        guard withOwnersToken || !isAskedUpstream else { return }
        // It was given up before: an end.
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
            // Who cannot cancel a job need not find it to cancel the export.
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

    /// A job runs upstream and is not wanted any more.
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
            // The job may have ended meanwhile: look before asking again.
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

    /// A task may be in the middle of a call for this export: what it brings back is not wanted any more.
    private mutating func shutOutOwner() { record.fence += 1 }
}
