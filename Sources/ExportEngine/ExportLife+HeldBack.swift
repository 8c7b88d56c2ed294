import ExportLedger
import Exports

// What the gateway's own request budget holds back.
extension ExportLife.Turn {
    /// A bound on how long the upstream is asked for. The time in which the gateway's own request budget holds the export back
    /// does not count, up to once more the bound itself: everything comes to an end.
    func bound(_ bound: Duration) -> Duration { bound + min(max(.zero, held), bound) }

    /// Whether the time for what is held back is over: the budget alone has taken as much of it as the upstream may take. What has
    /// waited for anything else, an end of the gateway for one, is asked for first.
    var isOverdue: Bool {
        switch record.phase {
        case .tracking:
            // What has succeeded stays so: its files are looked for as long as the upstream would keep them.
            held >= settings.trackingDeadline
                && now >= (record.export.status.hasResult ? lookingDeadline : trackingDeadline)
        case .submitting:
            held >= settings.reconcileDeadline
                && now >= (record.export.completedAt == nil ? reconcileDeadline : lastLook)
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
