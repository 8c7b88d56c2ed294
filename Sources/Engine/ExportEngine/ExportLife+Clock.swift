import ExportLedger
import Exports

// A wrong clock may have been corrected. Times that were stored before may then be in the future.
extension ExportLife.Transition {
    /// Corrects times in the future: waits and limits that began there count from now.
    mutating func correctTimes() {
        // Uses `scheduledAt`, before that is corrected.
        if record.nextActionAt != nil { record.nextActionAt = record.dueTime(at: now) }
        func correct(_ time: inout Timestamp?) { time = time.map { min($0, now) } }
        record.progress.acceptedSince = min(record.progress.acceptedSince, now)
        correct(&record.progress.recoveringSince)
        correct(&record.progress.trackingSince)
        correct(&record.progress.unknownSince)
        correct(&record.progress.missingSince)
        correct(&record.progress.filesMissingSince)
        correct(&record.scheduledAt)
    }
}

extension LedgerRecord {
    /// How far an earlier time may lie after a later one without counting as a mistake.
    private static var clockTolerance: Duration { .seconds(1) }
    /// Earlier versions did not store when a time was set. Such a time is waited for no longer than this.
    private static var longestWaitOfOldRows: Duration { .seconds(3600) }

    /// The due time of the next step, as seen at `now`: at once where a clock that ran ahead has set the time.
    func dueTime(at now: Timestamp) -> Timestamp {
        guard let nextActionAt else { return now }
        guard let scheduledAt else { return min(nextActionAt, now + Self.longestWaitOfOldRows) }
        return scheduledAt > now + Self.clockTolerance ? now : nextActionAt
    }
}
