public import Exports

/// Called with a record, with nil for an unknown export, or with the error of the read.
public typealias RecordAnswer = @Sendable (Result<LedgerRecord?, any Error>) -> Void

/// Called with the outcome of an insertion, or with its error: nothing was stored then.
public typealias InsertAnswer = @Sendable (Result<InsertOutcome, any Error>) -> Void

/// The outcome of an insertion.
public enum InsertOutcome: Sendable, Hashable {
    case created(LedgerRecord)
    /// The same request came before, and created this export.
    case replayed(LedgerRecord)
    /// The same request came before, and created an export that was purged since. Nothing was stored.
    case purged(ExportTombstone)
    /// The key was used before, with another request.
    case keyReused
    /// The caller has created as many as it may. Nothing was stored. The oldest of those that count was created at this time.
    case limitReached(oldest: Timestamp)
}

/// The outcome of an update.
public enum UpdateOutcome: Sendable, Hashable {
    case written(before: LedgerRecord, after: LedgerRecord)
    /// The record has another fence, and was not changed.
    case stale
    /// Another export has the job. The record was not changed.
    case jobTaken(by: ExportID)
    case notFound
}

/// One page of the exports that an engine takes over.
public struct TakeOverPage: Sendable, Hashable {
    /// An export before and after it was taken over.
    public struct Item: Sendable, Hashable {
        public var before: LedgerRecord
        public var after: LedgerRecord

        /// Makes an item.
        public init(before: LedgerRecord, after: LedgerRecord) {
            (self.before, self.after) = (before, after)
        }
    }

    /// In the order of their ids.
    public var items: [Item]
    /// The last export of the page: the next page comes after it. Nil when there is no next page.
    public var next: ExportID?

    /// Makes a page.
    public init(items: [Item], next: ExportID?) {
        self.items = items
        self.next = next
    }
}

/// An encrypted refresh token. The key is not in the ledger.
public struct SealedRefreshToken: Sendable, Hashable {
    public var exportID: ExportID
    public var sealed: [UInt8]

    /// Makes a row.
    public init(exportID: ExportID, sealed: [UInt8]) {
        self.exportID = exportID
        self.sealed = sealed
    }
}
