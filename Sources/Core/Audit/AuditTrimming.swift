public import Exports

/// The oldest rows of a trail, as they were read to be deleted.
public struct AuditOldest: Sendable, Hashable {
    /// The end of the chain.
    public var head: AuditHead
    /// The last row that was deleted before; nil where none was.
    public var anchor: AuditAnchor?
    /// In the order of their numbers, up to the first one that cannot be read.
    public var rows: [AuditRow]
    /// The number of that one; nil where all can be read.
    public var unreadable: Int64?

    /// Names them.
    public init(head: AuditHead, anchor: AuditAnchor?, rows: [AuditRow], unreadable: Int64? = nil) {
        (self.head, self.anchor, self.rows, self.unreadable) = (head, anchor, rows, unreadable)
    }
}

/// What becomes of the oldest rows.
public enum AuditTrimming: Sendable {
    /// None is old enough, or is worth it.
    case nothing
    /// All have times in the future. The first row after them whose time is past says how old they are.
    case undecided
    /// They are not as the gateway has left them: nothing may be deleted.
    case refused(AuditFinding)
    case deletion(AuditDeletion)
}

/// The deletion of the oldest rows, with what is stored in the same transaction.
public struct AuditDeletion: Sendable {
    /// The number of the last row that is deleted.
    public var last: Int64
    /// How many rows are deleted.
    public var count: Int
    /// Follows the end of the chain.
    public var rows: [AuditRow]
    public var anchor: AuditAnchor
}

extension AuditChain {
    /// Decides which of the oldest rows are deleted because of their age: those before the first one whose time is `end` or
    /// later, and never the last row of the chain. With them it is sealed that they are. Rows about deletions alone are not
    /// deleted for that: each deletion is such a row, and would lead to the next one for good.
    ///
    /// All that is looked at is verified, from the anchor on, so that nobody without the key can have the gateway delete a row,
    /// or prove that it did. A row of the future was written where a clock was ahead: it is as old as the first row after it
    /// that is not.
    public mutating func trim(_ oldest: AuditOldest, before end: Timestamp) -> AuditTrimming {
        var verification = AuditVerification(.trail(oldest.anchor), keys: keys, heads: [])
        var last: (row: AuditRow, count: Int, newest: Timestamp)?
        var (newest, count, isOver) = (oldest.anchor?.newest ?? AuditBounds.times.lowerBound, 0, false)
        for row in oldest.rows {
            let moment = row.entry.time
            // The row that keeps the others is verified too: its time may have been altered.
            verification.check(row)
            guard row.sequence < oldest.head.sequence, moment < end || moment > time else {
                isOver = true
                break
            }
            count += 1
            // Not a time of the future: new entries would be taken for copies of rows that were deleted.
            if moment <= time, !row.entry.action.isOfChain { newest = max(newest, moment) }
            if moment < end { last = (row, count, newest) }
        }
        if !isOver, let number = oldest.unreadable { verification.unreadable(number, "it cannot be read") }
        if let finding = verification.findings.first { return .refused(finding) }
        // Where it is not over, there are more rows: the last one of the chain is not among these.
        guard let last else { return isOver || oldest.rows.isEmpty ? .nothing : .undecided }
        // Where it is not over, they may hide others. They become fewer then: one row is added for all of them.
        if isOver, oldest.rows.prefix(last.count).allSatisfy(\.isAboutDeletions) { return .nothing }
        let rows = sealDeletion(through: last.row)
        let anchor = key.anchor(last.row, newest: last.newest, at: time)
        return .deletion(
            AuditDeletion(last: last.row.sequence, count: last.count, rows: rows, anchor: anchor)
        )
    }
}

extension AuditRow {
    /// Whether a deletion may have led to it.
    fileprivate var isAboutDeletions: Bool { [AuditAction.trim, .keyChange].contains(entry.action) }
}
