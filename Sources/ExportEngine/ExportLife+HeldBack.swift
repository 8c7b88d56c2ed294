import ExportLedger
import Exports

// What the gateway's own request budget holds back.
extension ExportLife.Turn {
    /// A bound on how long the upstream is asked for. The time in which the gateway's own request budget holds the export back
    /// does not count, up to once more the bound itself: everything comes to an end.
    func bound(_ bound: Duration) -> Duration { bound + min(max(.zero, held), bound) }

    /// Whether the time for what is held back is over.
    var isOverdue: Bool {
        switch record.phase {
        // What has succeeded stays so: its files are looked for as long as the upstream would keep them.
        case .tracking: now >= (record.export.status.hasResult ? lookingDeadline : trackingDeadline)
        case .submitting: record.export.completedAt == nil ? now >= reconcileDeadline : now >= lastLook
        case .accepted, .settled: false
        }
    }

    /// The upstream could not be asked once more: what is known by now is the end.
    mutating func heldBack(_ error: ProviderError) {
        guard isOverdue else { return }
        if record.phase == .tracking {
            return record.export.status.hasResult ? lookForFiles() : settleTimedOut(because: error)
        }
        giveUp(because: error)
        guard record.phase == .submitting else { return }
        schedule(after: max(settings.reconcileDelay, error.retryAfter ?? .zero), notAfter: lastLook)
    }
}
