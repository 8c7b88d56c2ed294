public import Audit
public import Exports

/// What deletes exports that have ended, and keeps those that must be kept. Each operation is atomic, and durable when it returns. All
/// throw `LedgerError`, or `CancellationError` when the task is cancelled; nothing was changed then.
///
/// **Purging** an export deletes its record, its request, its deliveries, its measurement and its refresh token, and stores its
/// tombstone and a change that tells of it (`ExportChange.isPurge`), all in one transaction. So a kill leaves the whole export, or its
/// tombstone. The claim on its idempotency key stays for as long as claims are kept, and messages of webhooks stay for as long as
/// messages are.
///
/// **An obstacle** (`PurgeObstacle`) is decided in the transaction that deletes: whatever stands in the way there keeps the export whole.
/// No operation purges an export with an obstacle.
///
/// **Batches.** Each call reads and deletes a bounded number of rows, however many are stored. It waits for no lock of another
/// transaction: an export on which one works is passed over (`busy`).
public protocol RetentionStore: Sendable {
    /// The tombstone of an export; nil for one that was not purged, and for one whose tombstone was deleted.
    func tombstone(_ id: ExportID) async throws -> ExportTombstone?

    /// Purges one export, with a tombstone of the time `now`. Idempotency keys claimed before `claimsSince` count as pruned. The entry
    /// of the audit trail that `audit` makes of a tombstone is stored in the same transaction.
    func purge(
        _ id: ExportID,
        at now: Timestamp,
        claimsSince: Timestamp,
        audit: PurgeAudit?
    ) async throws -> PurgeOutcome

    /// Purges exports of one provider and status that ended before a time, in the order of their ends and ids: at most `limit` of those
    /// after `place` are looked at. An export with many deliveries may end the batch before. Entries of the audit trail are stored as for
    /// one export.
    func purge(
        _ exports: EndedExports,
        at now: Timestamp,
        claimsSince: Timestamp,
        after place: EndedExports.Place?,
        limit: Int,
        audit: PurgeAudit?
    ) async throws -> PurgePage

    /// Deletes the oldest stored changes, at most `limit`: those up to the last one among them whose time is before `time`. None is
    /// deleted that an enabled webhook has not read. The changes of exports that are retained are put aside instead, and are deleted
    /// with their exports. Returns how many are not stored as changes any more.
    ///
    /// From then on, ``ExportLedger/eventRange()`` begins after them, and ``ExportLedger/events(after:limit:)`` reports an earlier
    /// position as one whose changes are missing.
    func pruneChanges(before time: Timestamp, limit: Int) async throws -> Int

    /// Deletes tombstones of exports that were purged before a time, the oldest first, at most `limit`. None is deleted as long as a
    /// change that is not later than it is stored. Returns how many. Their exports are unknown from then on.
    func pruneTombstones(before time: Timestamp, limit: Int) async throws -> Int

    /// How many exports are retained.
    func retainedExports() async throws -> Int

    /// How many bytes the parts of the ledger take, by their names. It costs the same however many rows there are.
    func usage() async throws -> [String: Int64]

    /// Gives pages that are not used any more back to the file system, at most `limit`, where the storage is set up for that and more are
    /// free than will soon be used again. Returns how many.
    func reclaim(limit: Int) async throws -> Int
}

/// Makes the entry of the audit trail about a purged export. It may be called again for the same one.
public typealias PurgeAudit = @Sendable (ExportTombstone) -> AuditEntry

extension RetentionStore {
    /// Purges one export without an entry of the audit trail.
    public func purge(_ id: ExportID, at now: Timestamp, claimsSince: Timestamp) async throws -> PurgeOutcome {
        try await purge(id, at: now, claimsSince: claimsSince, audit: nil)
    }

    /// Purges exports without entries of the audit trail.
    public func purge(
        _ exports: EndedExports,
        at now: Timestamp,
        claimsSince: Timestamp,
        after place: EndedExports.Place?,
        limit: Int
    ) async throws -> PurgePage {
        try await purge(exports, at: now, claimsSince: claimsSince, after: place, limit: limit, audit: nil)
    }
}

/// Exports of one provider that have ended with one status before a time.
public struct EndedExports: Sendable, Hashable {
    /// A place in their order.
    public struct Place: Sendable, Hashable {
        public var endedAt: Timestamp
        public var id: ExportID

        /// Names a place.
        public init(endedAt: Timestamp, id: ExportID) { (self.endedAt, self.id) = (endedAt, id) }
    }

    public var provider: ProviderID
    public var status: ExportStatus
    public var before: Timestamp

    /// Names exports.
    public init(provider: ProviderID, status: ExportStatus, before: Timestamp) {
        (self.provider, self.status, self.before) = (provider, status, before)
    }

    /// Whether an export is one of them.
    package func contains(_ export: Export) -> Bool {
        export.provider == provider && export.status == status && export.completedAt.map { $0 < before } ?? false
    }
}

/// The outcome of purging one export.
public enum PurgeOutcome: Sendable, Hashable {
    /// It was purged by this call.
    case purged(ExportTombstone)
    /// It was purged before.
    case gone(ExportTombstone)
    /// It was not changed.
    case kept(PurgeObstacle)
    case notFound
}

/// The outcome of purging a batch of exports.
public struct PurgePage: Sendable, Hashable {
    /// In the order in which they were purged.
    public var purged: [ExportTombstone] = []
    /// How many were kept, by what stood in the way.
    public var kept: [PurgeObstacle: Int] = [:]
    /// The last export that was looked at: the next batch comes after it. Nil when there is no next batch.
    public var next: EndedExports.Place?

    /// An empty page without a next one.
    public init() {}

    package mutating func keep(for obstacle: PurgeObstacle) { kept[obstacle, default: 0] += 1 }
}
