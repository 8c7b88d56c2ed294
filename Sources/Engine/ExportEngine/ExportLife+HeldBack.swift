import ExportLedger
import Exports

/// For how long the gateway's own request budget has held an export's work back.
struct HeldTime: Sendable, Hashable {
    static let none = HeldTime()

    var inAll = Duration.zero
    /// Of that, what came after the upstream's last answer.
    var sinceAnswer = Duration.zero
}

extension HeldTime {
    /// What was written down of it.
    init(_ progress: ExportProgress) {
        self.init(inAll: .seconds(progress.heldSeconds), sinceAnswer: .seconds(progress.heldSecondsSinceAnswer))
    }

    /// Writes it down, in whole seconds.
    func write(to progress: inout ExportProgress) {
        progress.heldSeconds = Int(inAll.components.seconds)
        progress.heldSecondsSinceAnswer = Int(sinceAnswer.components.seconds)
    }

    /// Whether more of it would be lost with the process than may be.
    func isToBeWritten(over progress: ExportProgress) -> Bool {
        Int(inAll.components.seconds) - progress.heldSeconds >= ExportProgress.mostUnwrittenHeldSeconds
    }
}

extension ExportLife.Event {
    /// Whether the upstream has answered what was asked about the job.
    fileprivate var isAnswer: Bool {
        switch self {
        case .observed, .observationFailed, .reconciled, .reconcileFailed: true
        default: false
        }
    }
}

// What the gateway's own request budget holds back.
extension ExportLife.Turn {
    /// The held time stands in the record, so that it is known after a restart.
    mutating func writeHeldTime(after event: ExportLife.Event) {
        if event.isAnswer { held.sinceAnswer = .zero }
        held.write(to: &record.progress)
    }

    /// What the upstream said last has lasted for the time only in which it could be asked: bounds on that do not run while the
    /// budget holds the export back. Those on the whole do in the end, so that everything comes to one.
    mutating func passOverHeldTime() {
        guard held.sinceAnswer > .zero else { return }
        func pass(_ since: inout Timestamp?) { since = since.map { min($0 + held.sinceAnswer, now) } }
        pass(&record.progress.missingSince)
        pass(&record.progress.unknownSince)
        pass(&record.progress.filesPendingSince)
        pass(&record.progress.filesMissingSince)
    }

    /// A bound on how long the upstream is asked for. The time in which the gateway's own request budget holds the export back
    /// does not count, up to once more the bound itself: everything comes to an end.
    func bound(_ bound: Duration) -> Duration { bound + min(max(.zero, held.inAll), bound) }

    /// Whether the time for what is held back is over: the budget alone has taken as much of it as the upstream may take. What has
    /// waited for anything else, an end of the gateway for one, is asked for first.
    var isOverdue: Bool {
        switch record.phase {
        case .tracking:
            // What has succeeded stays so: its files are looked for as long as the upstream would keep them.
            held.inAll >= settings.trackingDeadline
                && now >= (record.export.status.hasResult ? lookingDeadline : trackingDeadline)
        case .submitting:
            held.inAll >= settings.reconcileDeadline
                && now >= (record.export.completedAt == nil ? reconcileDeadline : lastLook)
        case .accepted, .settled: false
        }
    }

    /// The upstream could not be asked once more: what is known by now is the end, where it may be.
    mutating func heldBack(_ error: ProviderError, mayEnd: Bool) {
        guard mayEnd, isOverdue else { return }
        if record.phase == .tracking {
            return record.export.status.hasResult ? lookForFiles() : settleTimedOut(because: error)
        }
        giveUp(because: error)
        guard record.phase == .submitting else { return }
        schedule(after: max(settings.reconcileDelay, error.retryAfter ?? .zero), notAfter: lastLook)
    }
}
