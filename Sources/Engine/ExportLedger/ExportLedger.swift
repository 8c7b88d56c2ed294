public import Exports

/// The store of every export. It is authoritative; everything else is a copy.
///
/// Each operation is atomic, and durable when it returns, except for what `update` says about polls. Several may share one
/// transaction. All throw `LedgerError`, or `CancellationError` when the task is cancelled; nothing was changed then.
///
/// An entry of the audit trail that is set in a record (`LedgerRecord.auditEntry`), by the caller or by `change`, is stored with the
/// record, in the same transaction, also where nothing else of the record differs. The record that is returned has none.
public protocol ExportLedger: RetentionStore {
    /// Whether the ledger answers. Throws when it does not.
    func check() async throws

    /// Why the ledger cannot be written now; nil where it can. It is determined by a write that changes nothing. Throws when the
    /// ledger cannot even be read.
    func impediment() async throws -> ServiceImpediment?

    /// Stores a new export, together with the claim on its idempotency key, if it has one.
    ///
    /// The storage decides between claims: of any number of calls with one key, from any number of processes, one creates the
    /// export and the others get it, or its tombstone. Claims made before `claimsSince` count as pruned.
    ///
    /// With a `limit`, nothing is stored where the record's creator has created so many exports (`limitReached`), also by calls at the
    /// same time and in other processes. A key that was used before is answered first.
    ///
    /// It is carried out even in a task that is cancelled: the caller must learn of every export that was stored.
    func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?
    ) async throws -> InsertOutcome

    /// Stores a new export like `insert`, and calls `answer` once with the outcome, at once or on a thread of the ledger, which
    /// it must not block. Returns false where the ledger has no such insertion, and does nothing then.
    func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?,
        then answer: @escaping InsertAnswer
    ) -> Bool

    /// The export that `caller` created with this key since `claimsSince`, or its tombstone; nil where there is none.
    func claimed(
        _ idempotency: Idempotency,
        by caller: String,
        claimsSince: Timestamp
    ) async throws -> InsertOutcome?

    /// Calls `answer` once with the record of an export, or with nil for an unknown id. It is called on a thread of the ledger
    /// and must not block it. Records that are requested at the same time may be read together.
    func record(_ id: ExportID, then answer: @escaping RecordAnswer)

    /// Calls `answer` like `record`. The caller is about to update the record: a ledger may keep it in memory until then, so that
    /// `updateInMemory` can update it.
    func recordToUpdate(_ id: ExportID, then answer: @escaping RecordAnswer)

    /// Takes over exports that are not settled and belong to another engine than `owner`, in the order of their ids: at most
    /// `limit` of those after the id `after`.
    ///
    /// Each export gets `owner` as its `leaseOwner`, a higher `leaseEpoch` and a higher fence, so that write-backs of its
    /// former owner change nothing. Then it is passed to `change`. All this is one transaction. `change` must not change id,
    /// fence or owner. A row that cannot be read is left as it is.
    func takeOver(
        by owner: String,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage

    /// Passes each export that is not settled to `change`, in the order of their ids, and writes it back with a higher fence and
    /// without an owner, so that write-backs of its former owner change nothing, and every engine, also that owner, can take it over.
    /// All this is one transaction. It reads and writes parts, so that the memory it takes does not depend on the number of exports.
    /// Returns for how many `change` returned true.
    ///
    /// `change` must not change id, fence or owner, and must not settle the export. It may be called again for the same exports. A row
    /// that cannot be read is left as it is.
    func changeUnfinished(_ change: @escaping @Sendable (inout LedgerRecord) -> Bool) async throws -> Int

    /// Reads a record, calls `change` on it, and writes it back, in one transaction.
    ///
    /// With a `fence`, the record must still have it. Otherwise the outcome is `stale`: that is normal, nothing was changed,
    /// and the work belongs to another owner or has ended. Without a fence, the change is made whoever owns the export.
    /// `change` may raise `fence` to exclude the present owner, and give the export to this process, which on a ledger of several
    /// replicas has to be registered: the outcome is `stale` otherwise. It must not change the id. The request of the export (`source`,
    /// `plan`) is never written again: a change that alters it is not made, and throws `LedgerError` (`corrupt`). A job belongs
    /// to one export: a change that binds a job of another export of the connection, or of one that was purged and has a tombstone, is
    /// not made (`jobTaken`).
    ///
    /// For a tracked export, progress that only says when it is polled (`observedAt`, `nextActionAt`, `scheduledAt`, `polls`,
    /// `failures`, `fileLagAttempts`) may be kept in memory, if every operation reads it back, and the next other change writes
    /// it. If a kill loses it, the export must not be polled later than it would have been.
    func update(
        _ id: ExportID,
        fence: Int64?,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome

    /// Updates like `update`, and at once, where `change` changes only progress that may be kept in memory. Nil where it cannot be
    /// done: nothing was changed then, and `change` may have been called.
    func updateInMemory(
        _ id: ExportID,
        fence: Int64?,
        _ change: (inout LedgerRecord) -> Void
    ) -> UpdateOutcome?

    /// The claims of exports of the connection other than `id` on these upstream jobs, in one consistent state. A job of an export that
    /// was purged stays bound to it as long as it has a tombstone. Unconfirmed are
    /// those that may have an unknown job (`mayHaveUnknownJob`).
    func claims(
        on upstreamIDs: [String],
        of provider: ProviderID,
        connection: String,
        except id: ExportID
    ) async throws -> OtherExports.Claims

    /// One page, newest first: exports that match and are older than `before`, at most `limit`.
    ///
    /// Order and the filter by time follow the ids, which contain the time of creation. For each match, `known` is called for a
    /// snapshot with the ledger's revision; where it returns one, the export is not read. It is called while the ledger is
    /// read, so it must not wait.
    func exports(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        known: @escaping @Sendable (ExportID, Int64) -> ExportSnapshot?
    ) async throws -> ExportPage

    /// The ids of successes whose files expired at `time` or before, at most `limit`.
    func expired(at time: Timestamp, limit: Int) async throws -> [ExportID]

    /// When the next success expires; nil when none will.
    func nextExpiry() async throws -> Timestamp?

    /// Stores that a delivery begins: from then on, the export is not purged. Returns false for an unknown export, and where another
    /// delivery is stored as the same use of its ticket; stores nothing then.
    ///
    /// Throws `LedgerError` when a delivery with this id was stored before. The export's record is not read, because callers
    /// wait for this before each download.
    func begin(_ delivery: Delivery) async throws -> Bool

    /// Stores how a delivery ended, whether or not its beginning was stored. In the same transaction it calls `change` on the
    /// export's record.
    ///
    /// Throws `LedgerError` when the end of a delivery with this id was stored before. For an unknown export nothing is stored,
    /// and the outcome is `notFound`. Never `stale`.
    func insert(
        _ delivery: Delivery,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome

    /// Ends every delivery that is still under way as broken, at `time` and with this reason. Returns their number. None of
    /// them belongs to this process yet. The rest of their rows stays as it was. The entries of the audit trail that `audit`
    /// makes of them are stored in the same transaction; a delivery whose row cannot be read is ended without one.
    func breakDeliveriesUnderWay(at time: Timestamp, reason: String, audit: DeliveryAudit?) async throws -> Int

    /// One page of an export's deliveries, oldest first: those with ids greater than `after`, at most `limit`; where
    /// `requestID` is given, of that request only. Nil for an unknown export.
    func deliveries(
        of id: ExportID,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws -> DeliveryPage?

    /// The deliveries that are uses of a ticket, in the order of their numbers, at most `limit`. Throws `LedgerError` where one of
    /// them cannot be read.
    func deliveries(of id: ExportID, ticket: ExportID, limit: Int) async throws -> [Delivery]

    /// Claims the success whose files are to be measured and that became due last, at `now` or before. Nil where none is due
    /// except those among `running`. It is due again at `retryAt`, and its attempts are increased by one.
    ///
    /// The update that settles a success makes it due. The update that lets it expire ends that.
    func claimMeasurement(
        at now: Timestamp,
        retryAt: Timestamp,
        besides running: Set<ExportID>
    ) async throws -> MeasurementClaim?

    /// Sets when the files of an export are due for measurement; nil for never again. Changes nothing where they are not due any
    /// more.
    func setMeasurement(of id: ExportID, dueAt: Timestamp?, attempts: Int) async throws

    /// When the next measurement is due, except those among `running`; nil where there is none.
    func nextMeasurement(besides running: Set<ExportID>) async throws -> Timestamp?

    /// The encrypted refresh token of an export; nil where there is none.
    func refreshToken(of id: ExportID) async throws -> [UInt8]?

    /// Reads the encrypted refresh token of an export that is not settled, calls `change` to replace or remove it, and writes it
    /// back, in one transaction.
    ///
    /// Returns false for an unknown export and for a settled one, and does not call `change`. The update that settles an export
    /// deletes its token, so that a settled export never has one. What `change` throws is thrown here, and nothing was changed.
    func updateRefreshToken(
        of id: ExportID,
        _ change: @escaping @Sendable (inout [UInt8]?) throws -> Void
    ) async throws -> Bool

    /// The stored refresh tokens, in the order of their exports' ids: those after `after`, at most `limit`.
    func refreshTokens(after: ExportID?, limit: Int) async throws -> [SealedRefreshToken]

    /// The visible changes, in the order in which they were committed: those after `sequence`, at most `limit`.
    ///
    /// Each is stored in the transaction that makes the change: both are stored, or neither. None is skipped: an entry that
    /// cannot be read is reported as such, and so are changes after `sequence` that are not stored any more: as one unreadable entry, with
    /// the number before the first one that is. Changes that earlier versions made are not stored.
    func events(after sequence: Int64, limit: Int) async throws -> [RecordedEvent]

    /// Which visible changes are stored: the number of the oldest one, and the last number that was given out. Every change that
    /// was committed before the call has its number.
    func eventRange() async throws -> ChangeRange

    /// Deletes idempotency keys that were claimed before `time`.
    func pruneClaims(before time: Timestamp) async throws
}

extension ExportLedger {
    /// The record of an export; nil for an unknown id. A read that has begun is completed: cancellation is checked before it.
    public func record(_ id: ExportID) async throws -> LedgerRecord? {
        try Task.checkCancellation()
        return try await withCheckedThrowingContinuation { continuation in
            record(id) { continuation.resume(with: $0) }
        }
    }

    /// The record of an export that is about to be updated; nil for an unknown id.
    public func recordToUpdate(_ id: ExportID) async throws -> LedgerRecord? {
        try Task.checkCancellation()
        return try await withCheckedThrowingContinuation { continuation in
            recordToUpdate(id) { continuation.resume(with: $0) }
        }
    }

    /// Keeps nothing.
    public func recordToUpdate(_ id: ExportID, then answer: @escaping RecordAnswer) { record(id, then: answer) }

    /// Never possible.
    public func updateInMemory(
        _ id: ExportID,
        fence: Int64?,
        _ change: (inout LedgerRecord) -> Void
    ) -> UpdateOutcome? { nil }

    /// Stores a new export without a limit.
    public func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp
    ) async throws -> InsertOutcome {
        try await insert(record, idempotency: idempotency, claimsSince: claimsSince, limit: nil)
    }

    /// No such insertion.
    public func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?,
        then answer: @escaping InsertAnswer
    ) -> Bool { false }

    /// One page, read completely from the ledger.
    public func exports(matching filter: ExportFilter, before: ExportID?, limit: Int) async throws -> ExportPage {
        try await exports(matching: filter, before: before, limit: limit) { _, _ in nil }
    }
}
