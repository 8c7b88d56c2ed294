import ExportLedger
import Exports

// A clock can be wrong and be set right: what it wrote down in between lies in the future.
extension ExportLife.Turn {
    /// Nothing has begun in the future: waits and bounds that did count from now.
    mutating func correctTimes() {
        // Read off `scheduledAt` before that is corrected.
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
    /// How far two readings of a clock may be apart the wrong way around without one of them being a mistake.
    private static var clockTolerance: Duration { .seconds(1) }
    /// Earlier versions did not write down when a time was set; theirs is not waited for any longer.
    private static var longestWaitOfOldRows: Duration { .seconds(3600) }

    /// When something is to be done next, as seen at `now`: at once where the time was set by a clock that ran ahead.
    func dueTime(at now: Timestamp) -> Timestamp {
        guard let nextActionAt else { return now }
        guard let scheduledAt else { return min(nextActionAt, now + Self.longestWaitOfOldRows) }
        return scheduledAt > now + Self.clockTolerance ? now : nextActionAt
    }
}
