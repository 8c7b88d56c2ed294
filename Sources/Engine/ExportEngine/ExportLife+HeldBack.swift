import ExportLedger
import Exports

/// How long an export's work has waited for a place in the gateway's own request budget.
struct HeldTime: Sendable, Hashable {
    static let none = HeldTime()

    var inAll = Duration.zero
    /// The part of it since the upstream's last answer.
    var sinceAnswer = Duration.zero
}

extension HeldTime {
    /// Reads the stored value.
    init(_ progress: ExportProgress) {
        self.init(inAll: .seconds(progress.heldSeconds), sinceAnswer: .seconds(progress.heldSecondsSinceAnswer))
    }

    /// Stores it, in whole seconds.
    func write(to progress: inout ExportProgress) {
        progress.heldSeconds = Int(inAll.components.seconds)
        progress.heldSecondsSinceAnswer = Int(sinceAnswer.components.seconds)
    }

    /// Whether so much of it is not stored yet that it must be, because the process may end.
    func isToBeWritten(over progress: ExportProgress) -> Bool {
        Int(inAll.components.seconds) - progress.heldSeconds >= ExportProgress.mostUnwrittenHeldSeconds
    }
}

extension ExportLife.Event {
    /// Whether the event is an answer of the upstream about the job.
    fileprivate var isAnswer: Bool {
        switch self {
        case .observed, .observationFailed, .reconciled, .reconcileFailed: true
        default: false
        }
    }
}

// Work that the gateway's own request budget holds back.
extension ExportLife.Transition {
    /// Writes the held time to the record, so that it is known after a restart.
    mutating func writeHeldTime(after event: ExportLife.Event) {
        if event.isAnswer { held.sinceAnswer = .zero }
        held.write(to: &record.progress)
    }

    /// Limits on how long a state may last count only the time in which the upstream could be polled: they do not run while the
    /// budget holds the export back. Limits on the whole do run in the end, so that every export ends.
    mutating func passOverHeldTime() {
        guard held.sinceAnswer > .zero else { return }
        func pass(_ since: inout Timestamp?) { since = since.map { min($0 + held.sinceAnswer, now) } }
        pass(&record.progress.missingSince)
        pass(&record.progress.unknownSince)
        pass(&record.progress.filesPendingSince)
        pass(&record.progress.filesMissingSince)
    }

    /// Extends a limit on how long the upstream is polled. The time in which the gateway's own request budget holds the export
    /// back does not count, up to the limit once more, so that every export ends.
    func bound(_ bound: Duration) -> Duration { bound + min(max(.zero, held.inAll), bound) }

    /// Whether the export's time is over although it is held back: the budget alone has taken as much time as the upstream may
    /// take. An export that has waited for something else, such as a stopped gateway, is polled first.
    var isOverdue: Bool {
        switch record.phase {
        case .tracking:
            // A success stays a success: its files are polled for as long as the upstream would keep them.
            held.inAll >= settings.trackingDeadline
                && now >= (record.export.status.hasResult ? filesDeadline : trackingDeadline)
        case .submitting:
            held.inAll >= settings.reconcileDeadline
                && now >= (record.export.completedAt == nil ? reconcileDeadline : lastReconcile)
        case .accepted, .settled: false
        }
    }

    /// The upstream could not be polled again. Where `mayEnd`, an overdue export ends with what is known now.
    mutating func heldBack(_ error: ProviderError, mayEnd: Bool) {
        guard mayEnd, isOverdue else { return }
        if record.phase == .tracking {
            return record.export.status.hasResult ? awaitFiles() : settleTimedOut(because: error)
        }
        giveUp(because: error)
        guard record.phase == .submitting else { return }
        schedule(after: max(settings.reconcileDelay, error.retryAfter ?? .zero), notAfter: lastReconcile)
    }
}
