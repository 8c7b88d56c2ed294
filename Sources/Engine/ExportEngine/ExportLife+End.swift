import ExportLedger
import Exports

// Every end of an export: a success, or an end with a time and a reason.
extension ExportLife.Transition {
    /// Ends the export. Every end except a success has an error: without `error`, one is made from the status.
    mutating func settle(_ status: ExportStatus, error: ExportFailure? = nil, notice: ExportNotice? = nil) {
        record.phase = .settled
        record.nextActionAt = nil
        record.cancelWished = false
        record.progress.awaitsAuthorization = false
        record.export.status = status
        record.export.notice = notice
        record.export.stale = false
        // It ended before the upstream could be asked to cancel it.
        if status != .canceled, record.export.cancellation == .requested, record.progress.cancelAttempts == 0 {
            record.export.cancellation = nil
        }
        record.export.error = error ?? reason(of: status)
        record.export.completedAt = record.export.completedAt ?? now
    }

    /// The files of a success are no longer kept.
    mutating func expire() {
        guard record.export.status.hasResult else { return }
        if record.phase == .tracking { settleWithoutFiles() }
        let losses = record.export.error
        record.export.status = .expired
        record.export.error = ExportFailure(
            .expired,
            Self.expired.detail + (losses.map { " It had succeeded in part: " + $0.detail } ?? ""),
            upstream: losses?.upstream
        )
        record.fence += 1
    }

    private func reason(of status: ExportStatus) -> ExportFailure? {
        switch status {
        case .succeeded: nil
        case .canceled: canceled
        case .expired: Self.expired
        case .partiallySucceeded: Self.partial
        case .failed, .notStarted, .running, .unknown: Self.failure
        }
    }

    private var canceled: ExportFailure {
        switch record.export.cancellation {
        case .unsupported:
            ExportFailure(
                .canceled,
                "The export was canceled here: the gateway stopped tracking it. If the upstream has its job, that may go on."
            )
        case .confirmed, .requested: ExportFailure(.canceled, "The export was canceled.")
        case nil: ExportFailure(.canceled, "The export was canceled at the upstream, and not through the gateway.")
        }
    }

    private static let expired = ExportFailure(
        .expired,
        "The upstream does not keep the files any more. Create the export again."
    )
    private static let failure = ExportFailure(
        .exportFailed,
        "The upstream says that the export failed, and not why."
    )
    private static let partial = ExportFailure(
        .exportPartiallySucceeded,
        "The upstream says that parts of the export are missing, and not which."
    )
}
