public import Exports

/// What is remembered: the truth about every export, of which all else is a copy.
///
/// Each operation is done as a whole or not at all, and durable when it returns, but for what `update` says of polls;
/// several may share one transaction. All throw `LedgerError`, or `CancellationError` when the task is cancelled, in which case nothing was changed.
public protocol ExportLedger: Sendable {
    /// Whether the ledger answers. Throws when it does not.
    func check() async throws

    /// What keeps the ledger from being written now, found out by writing something that changes nothing; nil where nothing
    /// does. Throws when it cannot even be read.
    func impediment() async throws -> ServiceImpediment?

    /// Writes a new export down, and with it the claim on its idempotency key, where it has one.
    ///
    /// The claim is arbitrated by the storage: of any number of calls with one key, from any number of processes, one
    /// creates and the others get its export. Claims made before `claimsSince` count as forgotten.
    func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp
    ) async throws -> InsertOutcome

    /// The export that `caller` created with this key since `claimsSince`; nil where there is none.
    func claimed(
        _ idempotency: Idempotency,
        by caller: String,
        claimsSince: Timestamp
    ) async throws -> InsertOutcome?

    /// Tells `answer` the record of an export; nil for an unknown id. Once, on a thread of the ledger's, which it must not hold up:
    /// those that are asked for at the same time may be read together.
    func record(_ id: ExportID, then answer: @escaping RecordAnswer)

    /// Takes over exports that are not settled and that another engine than `owner` has, in the order of their ids: at most
    /// `limit` of those after `after`.
    ///
    /// Each gets `owner` for its `leaseOwner`, a higher `leaseEpoch` and a higher fence, so that write-backs of its former owner change nothing, and
    /// is given to `change`, all in one transaction. `change` must alter neither id, fence nor owner. What cannot be read is
    /// left as it is.
    func takeOver(
        by owner: String,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage

    /// Reads a record, lets `change` alter it, and writes it back, in one transaction.
    ///
    /// With a `fence`, the record must still carry it (`stale` otherwise: a normal outcome, nothing changed, the work
    /// belongs to another or has ended). Without one, the change is made whoever owns the export. `change` may raise
    /// `fence` to shut the present owner out; it must not change the id. What the export was asked for (`source`, `plan`) is never
    /// written again: a change that alters it is not made, and throws `LedgerError` (`corrupt`). A job is one export's: a change that binds a
    /// reference whose id another export of the connection has is not made (`jobTaken`).
    ///
    /// Of a tracked export, progress that only says when it is polled (`observedAt`, `nextActionAt`, `scheduledAt`, `polls`,
    /// `failures`, `fileLagAttempts`) may be kept in memory, as long as it is read back by every operation and written with
    /// the next other change. What a kill loses of it must not let the export be polled later than it would have been.
    func update(
        _ id: ExportID,
        fence: Int64?,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome

    /// What other exports than `id` of the connection have to do with these upstream jobs, all as of one moment. Unconfirmed
    /// are those that may have a job which nobody knows (`mayHaveUnknownJob`).
    func claims(
        on upstreamIDs: [String],
        of provider: ProviderID,
        connection: String,
        except id: ExportID
    ) async throws -> OtherExports.Claims

    /// One page, newest first: exports that match and are older than `before`, at most `limit`.
    ///
    /// Order and the filter by time follow the ids, which hold the time of creation. Of each that matches, `known` is asked for a
    /// snapshot of the revision that the ledger has; where it gives one, the export is not read. It is called while the ledger is
    /// read, so that it must not wait.
    func exports(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        known: @escaping @Sendable (ExportID, Int64) -> ExportSnapshot?
    ) async throws -> ExportPage

    /// The ids of successes whose files expired at `time` or before, at most `limit`.
    func expired(at time: Timestamp, limit: Int) async throws -> [ExportID]

    /// When the next success expires; nil when none is going to.
    func nextExpiry() async throws -> Timestamp?

    /// Writes down that a delivery begins. False for an unknown export: nothing is written.
    ///
    /// Throws `LedgerError` when a delivery with this id was written before. The export's record is not read: callers wait
    /// for this before each download.
    func begin(_ delivery: Delivery) async throws -> Bool

    /// Writes down how a delivery went, whether or not it was written down that it began, and in the same transaction lets
    /// `change` alter its export's record.
    ///
    /// Throws `LedgerError` when the end of a delivery with this id was written before. Nothing is written for an unknown
    /// export: `notFound`; never `stale`.
    func insert(
        _ delivery: Delivery,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome

    /// Has every delivery that is still under way end at `time` as broken, with this reason, and gives their number: none of
    /// them belongs to this process yet. The rest of their rows stays as it was.
    func breakDeliveriesUnderWay(at time: Timestamp, reason: String) async throws -> Int

    /// One page of an export's deliveries, oldest first: those with ids greater than `after`, at most `limit`; where
    /// `requestID` is given, of that request only. Nil for an unknown export.
    func deliveries(
        of id: ExportID,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws -> DeliveryPage?

    /// Takes the success whose files are to be measured and that became due last, by `now`; nil where none is due but those
    /// among `running`. It is due again at `retryAt`, and its attempts are one more.
    ///
    /// With the update that settles a success it is due, with that in which it expires never again.
    func claimMeasurement(
        at now: Timestamp,
        retryAt: Timestamp,
        besides running: Set<ExportID>
    ) async throws -> MeasurementClaim?

    /// Has the files of an export be due for measuring at `dueAt`, or never again where that is nil. Nothing happens where
    /// they are due no more.
    func setMeasurement(of id: ExportID, dueAt: Timestamp?, attempts: Int) async throws

    /// When the next measurement is due but for those among `running`; nil where there is none.
    func nextMeasurement(besides running: Set<ExportID>) async throws -> Timestamp?

    /// The refresh token that is kept for an export, sealed; nil where there is none.
    func refreshToken(of id: ExportID) async throws -> [UInt8]?

    /// Reads the sealed refresh token of an export that is not settled, lets `change` replace or remove it, and writes it
    /// back, in one transaction.
    ///
    /// False for an unknown export and for one that is settled: `change` is not called. With the update that settles an
    /// export its token is gone, so that there never is one of a settled export. What `change` throws is thrown here, and
    /// nothing was changed.
    func updateRefreshToken(
        of id: ExportID,
        _ change: @escaping @Sendable (inout [UInt8]?) throws -> Void
    ) async throws -> Bool

    /// The refresh tokens that are kept, in the order of their exports' ids: those after `after`, at most `limit`.
    func refreshTokens(after: ExportID?, limit: Int) async throws -> [SealedRefreshToken]

    /// The changes that callers could see, in the order in which they were committed: those after `sequence`, at most `limit`.
    ///
    /// Each is written in the transaction that makes the change: both are there, or neither. None is passed over: in the place of
    /// what cannot be read there is word of that. Nothing is known of changes that earlier versions made.
    func events(after sequence: Int64, limit: Int) async throws -> [RecordedEvent]

    /// Forgets idempotency keys that were claimed before `time`.
    func pruneClaims(before time: Timestamp) async throws
}

extension ExportLedger {
    /// The record of an export; nil for an unknown id. What is being read is read to its end: the task's cancellation is looked at
    /// before.
    public func record(_ id: ExportID) async throws -> LedgerRecord? {
        try Task.checkCancellation()
        return try await withCheckedThrowingContinuation { continuation in
            record(id) { continuation.resume(with: $0) }
        }
    }

    /// One page, all of it read from the ledger.
    public func exports(matching filter: ExportFilter, before: ExportID?, limit: Int) async throws -> ExportPage {
        try await exports(matching: filter, before: before, limit: limit) { _, _ in nil }
    }
}

/// Is told a record, nil for an unknown export, or why it could not be read.
public typealias RecordAnswer = @Sendable (Result<LedgerRecord?, any Error>) -> Void

/// What became of an insertion.
public enum InsertOutcome: Sendable, Hashable {
    case created(LedgerRecord)
    /// The same request came before: this is its export.
    case replayed(LedgerRecord)
    /// The key was used before, with another request.
    case keyReused
}

/// What became of an update.
public enum UpdateOutcome: Sendable, Hashable {
    case written(before: LedgerRecord, after: LedgerRecord)
    /// The fence was another: the record is as it was.
    case stale
    /// Another export has the job: the record is as it was.
    case jobTaken(by: ExportID)
    case notFound
}

/// A part of the exports that an engine takes over.
public struct TakeOverPage: Sendable, Hashable {
    /// An export before and after it was taken over.
    public struct Item: Sendable, Hashable {
        public var before: LedgerRecord
        public var after: LedgerRecord
    }

    /// In the order of their ids.
    public var items: [Item]
    /// The last export that was looked at: the next page comes after it. Nil when there is no next page.
    public var next: ExportID?

    /// Makes a page.
    public init(items: [Item], next: ExportID?) {
        self.items = items
        self.next = next
    }
}

/// A refresh token as it rests. What opens it is not in the ledger.
public struct SealedRefreshToken: Sendable, Hashable {
    public var exportID: ExportID
    public var sealed: [UInt8]

    /// Makes a row.
    public init(exportID: ExportID, sealed: [UInt8]) {
        self.exportID = exportID
        self.sealed = sealed
    }
}
