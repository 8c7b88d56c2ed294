import ExportLedger
import Exports

// A ledger that was restored from a backup does not know what was started since.
extension ExportLife.Transition {
    /// The export was unfinished in a backup. What is not known to be started is held. A job that is tracked is polled as before; only a
    /// new job in its place is held (`startNewJob`).
    mutating func restored() {
        guard record.phase != .settled else { return }
        record.progress.decision = ExportProgress.decisionAwaited
        if record.isHeld { hold() }
    }

    /// Holds the export. Its status stays. `reason` is what happened to the job before.
    mutating func hold(after reason: String? = nil) {
        // Other exports must not take a job for theirs that may be this one's.
        record.progress.recoveringSince = record.progress.recoveringSince ?? now
        record.progress.awaitsAuthorization = false
        record.nextActionAt = nil
        record.export.notice = ExportNotice(
            .heldAfterRestore,
            (reason.map { $0 + " " } ?? "")
                + "The gateway's ledger was restored from a backup, and the export may have been started since. "
                + "It is held until an operator has looked."
        )
    }

    /// Only what a person asks for changes a held export. It is not looked for either: exports that were created after the backup are
    /// unknown, and a job without a marker may be theirs.
    mutating func takeWhileHeld(_ event: ExportLife.Event) {
        switch event {
        case .decided(let decision): decided(decision)
        case .cancelRequested:
            guard record.export.completedAt == nil else { return }
            settleCanceledUnconfirmed()
            record.fence += 1
        default: break
        }
    }
}
