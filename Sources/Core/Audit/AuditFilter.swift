public import Exports

/// Which rows to list; nil takes all.
public struct AuditFilter: Sendable, Hashable {
    public var action: AuditAction?
    public var caller: String?
    public var exportID: ExportID?
    /// At this time or later.
    public var from: Timestamp?
    /// Before this time.
    public var to: Timestamp?

    /// Takes every row.
    public init() {}

    /// Whether a row is among those.
    public func contains(_ row: AuditRow) -> Bool {
        let entry = row.entry
        return (action ?? entry.action) == entry.action && (caller == nil || caller == entry.caller)
            && (exportID == nil || exportID == entry.exportID) && from.map { $0 <= entry.time } ?? true
            && to.map { entry.time < $0 } ?? true
    }
}

/// A place in a list by time.
public struct AuditPlace: Sendable, Hashable {
    public var time: Timestamp
    public var sequence: Int64

    /// Names a place.
    public init(time: Timestamp, sequence: Int64) { (self.time, self.sequence) = (time, sequence) }

    /// The place of a row.
    public init(of row: AuditRow) { self.init(time: row.entry.time, sequence: row.sequence) }
}

/// The entries that wait to be sealed.
public struct AuditBacklog: Sendable, Hashable {
    public var count: Int
    /// When the oldest of them was made whose time can be read; nil where there is none.
    public var oldest: Timestamp?

    /// Names a backlog.
    public init(count: Int, oldest: Timestamp?) { (self.count, self.oldest) = (count, oldest) }
}
