import Exports
import GRDB
import Synchronization

/// The scheduling progress of tracked exports that is kept in memory: what a poll changes without a visible change.
///
/// It is the time of the last poll (`observedAt`), the time of the next poll, the counts that only decide how long to wait
/// (`polls`, `failures`, `fileLagAttempts`), and up to `ExportProgress.mostUnwrittenHeldSeconds` of the time for which the
/// request budget has held the export back. There is one entry for an export, so there are at most as many as unfinished
/// exports.
///
/// It is written with the next change of the export's row, or, for up to 10,000 exports, when the ledger is closed. A kill
/// loses it. Then the export is polled again earlier than it would have been, and its deadlines are nearer by the held time
/// that was not written; nothing else is lost. So a next time that is *earlier* than the one in the row is written at once, and
/// so is every first time, every phase, every limit that begins or ends, and every attempt.
///
/// An entry is valid for the row that it was read from. When the row has other progress, the entry does not count any more.
final class UnwrittenProgress: Sendable {
    /// The scheduling progress of a tracked record, where every value is set.
    struct Values: Sendable, Hashable {
        var observedAt: Timestamp
        var nextActionAt: Timestamp
        var scheduledAt: Timestamp
        var polls: Int32
        var failures: Int16
        var fileLagAttempts: Int16
        var heldSeconds: Int32
        var heldSecondsSinceAnswer: Int32

        init?(_ record: LedgerRecord) {
            guard record.phase == .tracking, let observedAt = record.export.observedAt,
                let nextActionAt = record.nextActionAt, let scheduledAt = record.scheduledAt
            else { return nil }
            self.observedAt = observedAt
            self.nextActionAt = nextActionAt
            self.scheduledAt = scheduledAt
            polls = Int32(clamping: record.progress.polls)
            failures = Int16(clamping: record.progress.failures)
            fileLagAttempts = Int16(clamping: record.progress.fileLagAttempts)
            heldSeconds = Int32(clamping: record.progress.heldSeconds)
            heldSecondsSinceAnswer = Int32(clamping: record.progress.heldSecondsSinceAnswer)
        }

        func write(to record: inout LedgerRecord) {
            record.export.observedAt = observedAt
            record.nextActionAt = nextActionAt
            record.scheduledAt = scheduledAt
            record.progress.polls = Int(polls)
            record.progress.failures = Int(failures)
            record.progress.fileLagAttempts = Int(fileLagAttempts)
            record.progress.heldSeconds = Int(heldSeconds)
            record.progress.heldSecondsSinceAnswer = Int(heldSecondsSinceAnswer)
        }
    }

    fileprivate struct Entry: Sendable {
        /// The values in the row.
        var stored: Values
        var present: Values
        /// The entry is valid only for a row with the same epoch.
        var leaseEpoch: Int64

        func merged(_ record: LedgerRecord) -> LedgerRecord {
            guard Values(record) == stored else { return record }
            var record = record
            present.write(to: &record)
            return record
        }
    }

    private struct State {
        var entries: [ExportID: Entry] = [:]
        /// The changes by the writes of the present group, in their order. Later writes of the group see them.
        var staged: [(id: ExportID, entry: Entry?)] = []
        /// How many of them belong to writes before the present one.
        var mark = 0
        /// How many lists are being read.
        var lists = 0
        /// Entries that were written or replaced since the first of these lists began. A list may still read the older row that such
        /// an entry belongs to.
        var former: [ExportID: [Entry]] = [:]
        var formerCount = 0
        var recent = RecentRecords()

        mutating func set(_ entry: Entry?, of id: ExportID) {
            if let old = entries[id], old.stored != entry?.stored { end(old, of: id) }
            entries[id] = entry
        }

        mutating func end(_ entry: Entry, of id: ExportID) {
            guard lists > 0, formerCount < UnwrittenProgress.mostFormer else { return }
            former[id, default: []].append(entry)
            formerCount += 1
        }
    }

    /// The most such entries. If more rows are written while lists are read without a pause, a list may show the `observedAt` of a row,
    /// which is older.
    static let mostFormer = 10_000

    private let state = Mutex(State())

    /// The number of exports with an entry.
    var count: Int { state.withLock { $0.entries.count } }

    /// The entries of some exports, to be combined with rows that a later transaction reads. An entry that is written meanwhile is in the
    /// row then, and is not valid for it any more.
    func kept(of ids: some Sequence<ExportID>) -> Kept {
        state.withLock { state in
            var kept = Kept()
            for id in ids {
                kept.entries[id] = state.entries[id]
                kept.marks[id] = state.recent.mark(of: id)
            }
            return kept
        }
    }

    /// The entries of some exports at one moment.
    struct Kept: Sendable {
        fileprivate var entries: [ExportID: Entry] = [:]
        fileprivate var marks: [ExportID: UInt32] = [:]

        func adding(to stored: LedgerRecord) -> LedgerRecord {
            entries[stored.export.id]?.merged(stored) ?? stored
        }
    }

    // MARK: Without a transaction

    /// Keeps a record for its update, as a transaction has read it that began after `kept` was taken. Returns it with the
    /// progress that is not written yet.
    func keep(_ stored: LedgerRecord, since kept: Kept) -> LedgerRecord {
        let record = kept.adding(to: stored)
        if let values = Values(stored), let mark = kept.marks[stored.export.id] {
            state.withLock { $0.recent.keep(record, stored: values, since: mark) }
        }
        return record
    }

    /// Updates a kept record, if `change` changes only progress that need not be written. Nil where it has to be updated in a
    /// transaction, which calls `change` again. Of a change made here and a write of the same row, the later one has seen the
    /// earlier one.
    func update(_ id: ExportID, fence: Int64?, _ change: (inout LedgerRecord) -> Void) -> UpdateOutcome? {
        guard let known = state.withLock({ $0.recent.find(id) }) else { return nil }
        let before = known.record
        guard fence ?? before.fence == before.fence else { return nil }
        var after = before
        change(&after)
        guard let new = isUnwritten(after, since: before, row: known.stored) else { return nil }
        let isOther = after != before
        let isDone = state.withLock { state in
            guard state.recent.take(known) else { return false }
            if isOther {
                state.set(Entry(stored: known.stored, present: new, leaseEpoch: before.leaseEpoch), of: id)
            }
            return true
        }
        return isDone ? .written(before: before, after: after) : nil
    }

    /// The progress of `after`, where that is the only difference and need not be written.
    private func isUnwritten(_ after: LedgerRecord, since before: LedgerRecord, row old: Values) -> Values? {
        guard let new = Values(after), new.nextActionAt >= old.nextActionAt,
            new.heldSeconds - old.heldSeconds < ExportProgress.mostUnwrittenHeldSeconds
        else { return nil }
        var same = before
        new.write(to: &same)
        return same == after ? new : nil
    }

    // MARK: Lists

    /// A list is about to be read; `endList` must follow.
    func beginList() { state.withLock { $0.lists += 1 } }

    func endList() {
        state.withLock { state in
            state.lists -= 1
            guard state.lists == 0 else { return }
            state.former.removeAll()
            state.formerCount = 0
        }
    }

    /// When the upstream last confirmed the status of an export, for a row that a list has read. Never earlier than what was shown before,
    /// even if the row was written meanwhile.
    func observedAt(of id: ExportID, _ row: StoredTimes) -> Timestamp? {
        let (entry, former) = state.withLock { ($0.entries[id], $0.former[id]) }
        guard entry != nil || former != nil else { return row.observedAt }
        let own = ([entry].compactMap(\.self) + (former ?? []))
            .filter {
                $0.stored.observedAt == row.observedAt && $0.stored.nextActionAt == row.nextActionAt
                    && $0.stored.scheduledAt == row.scheduledAt
            }
        return own.map(\.present.observedAt).max() ?? row.observedAt
    }

    /// The times of a row, by which an entry is recognized.
    struct StoredTimes {
        var observedAt: Timestamp?
        var nextActionAt: Timestamp?
        var scheduledAt: Timestamp?
    }

    // MARK: In the transaction of a group

    /// The record of a row that this write has read, with the progress that is not written yet.
    func current(_ stored: LedgerRecord) -> LedgerRecord {
        let id = stored.export.id
        let entry = state.withLock { state in
            // Before the progress is read: what is updated without a transaction is in it, or is refused.
            state.recent.willWrite(id)
            if let staged = state.staged.last(where: { $0.id == id }) { return staged.entry }
            return state.entries[id]
        }
        return entry?.merged(stored) ?? stored
    }

    /// Keeps the difference between `before` and `after`, if it is only scheduling progress. Returns false where the row must be written.
    func keep(_ after: LedgerRecord, since before: LedgerRecord, row stored: LedgerRecord) -> Bool {
        guard let old = Values(stored), let new = isUnwritten(after, since: before, row: old) else { return false }
        if after != before { stage(after.export.id, Entry(stored: old, present: new, leaseEpoch: stored.leaseEpoch)) }
        return true
    }

    /// To be called when the row is written: the entry is in it then.
    func isWritten(_ id: ExportID) { stage(id, nil) }

    private func stage(_ id: ExportID, _ entry: Entry?) {
        state.withLock { state in
            guard entry != nil || state.entries[id] != nil || !state.staged.isEmpty else { return }
            state.staged.append((id, entry))
        }
    }

    // MARK: At the end

    /// The most rows that are written when the ledger is closed: about one second of work. The rest is polled from the upstreams again.
    static let lastWrites = 10_000

    /// Writes the entries of at most `limit` exports into their rows.
    func write(to database: Database, limit: Int = lastWrites) throws {
        let statement = try database.cachedStatement(
            sql: """
                UPDATE export SET observed_at = ?, next_action_at = ?, scheduled_at = ?, polls = ?, failures = ?,
                    file_lag_attempts = ?, held_seconds = ?, held_seconds_since_answer = ?
                WHERE id = ? AND phase = 'tracking' AND lease_epoch = ? AND observed_at = ? AND next_action_at = ?
                    AND scheduled_at = ?
                """
        )
        for (id, entry) in state.withLock({ $0.entries }).prefix(limit) {
            let (new, old) = (entry.present, entry.stored)
            try statement.execute(
                arguments: [
                    new.observedAt.milliseconds, new.nextActionAt.milliseconds, new.scheduledAt.milliseconds, new.polls,
                    new.failures, new.fileLagAttempts, new.heldSeconds, new.heldSecondsSinceAnswer,
                    id.description, entry.leaseEpoch,
                    old.observedAt.milliseconds, old.nextActionAt.milliseconds, old.scheduledAt.milliseconds,
                ]
            )
        }
    }
}

extension UnwrittenProgress: GroupParticipant {
    func writeBegins() { state.withLock { $0.mark = $0.staged.count } }

    func writeIsUndone() { state.withLock { $0.staged.removeSubrange($0.mark...) } }

    func groupEnds(isCommitted: Bool) {
        state.withLock { state in
            for (id, entry) in isCommitted ? state.staged : [] { state.set(entry, of: id) }
            state.recent.groupEnds()
            state.staged.removeAll(keepingCapacity: true)
            state.mark = 0
        }
    }
}
