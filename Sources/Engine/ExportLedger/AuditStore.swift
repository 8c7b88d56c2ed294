public import Audit
public import Exports

/// What stores the audit trail. Each operation is atomic, and durable when it returns. All throw `LedgerError`, or `CancellationError`
/// when the task is cancelled; nothing was changed then.
///
/// An **entry** is stored with what it is about, in the same transaction (``LedgerRecord/auditEntry``, ``PurgeAudit``), or by ``append(_:)``.
/// Until it is **sealed** it is in no order. To seal entries is to move them, in one transaction, to the end of the chain: there is one
/// chain, whatever number of processes seal. A sealed row is never changed, and deleted only by ``trimAudit(limit:_:)``.
public protocol AuditStore: Sendable {
    /// Stores entries that belong to no change of an export.
    func append(_ entries: [AuditEntry]) async throws

    /// Looks at the oldest entries that are not sealed, those after number `number`, at most `limit`. Passes them to `seal`
    /// with the ends of the chain, and does in one transaction what it returns: stores the rows, deletes the
    /// entries that were sealed, and puts aside those that it has rejected. It may be called again for the same entries. Nil
    /// where there are no entries, and where another process is sealing at this moment.
    ///
    /// An entry that cannot be read stays: a newer version may have written it. So does one that is to wait. Neither keeps
    /// those after it from being sealed: whoever seals goes on after ``AuditSealed/next``, and begins again with 0 where there
    /// is none.
    ///
    /// At most ``AuditRejected/most`` entries are put aside. Further ones that are rejected are deleted.
    func sealAudit(after number: Int64, limit: Int, _ seal: @escaping AuditSeal) async throws -> AuditSealed?

    /// Deletes the oldest rows that `trim` names, of the first `limit`. It is given them with the end of the chain and the
    /// anchor, as they are in the transaction that deletes. What it returns besides is stored in the same transaction, and
    /// told. It may be called again, and where nothing is deleted also outside of the transaction.
    func trimAudit(limit: Int, _ trim: @escaping AuditTrim) async throws -> AuditTrimOutcome

    /// The end of the chain; nil where it has no rows.
    func auditHead() async throws -> AuditHead?

    /// The last row that was deleted; nil where none was.
    func auditAnchor() async throws -> AuditAnchor?

    /// Sealed rows in the order of the chain: those after number `sequence`, at most `limit`.
    func auditRows(after sequence: Int64, limit: Int) async throws -> AuditRows

    /// Sealed rows in the order of their times, newest first, and of one time by their numbers: those before `place` that match, at most
    /// `limit`. It looks at a bounded number of rows that do not match. Where there may be more, the answer is full and says which row
    /// was the last that it looked at, however few match.
    func auditRows(matching filter: AuditFilter, before place: AuditPlace?, limit: Int) async throws -> AuditRows

    /// The entries that are not sealed.
    func auditBacklog() async throws -> AuditBacklog
}

/// Puts entries at the end of a chain. `known` has the ids of those that were sealed before.
public typealias AuditSeal =
    @Sendable (
        _ ends: AuditEnds,
        _ entries: [AuditEntry],
        _ known: Set<ExportID>
    ) -> AuditChain.Batch

/// What came of looking at entries that were not sealed.
public struct AuditSealed: Sendable {
    public var batch: AuditChain.Batch
    /// The number of the last entry that was looked at; nil where there are none after it.
    public var next: Int64?

    /// Makes an answer.
    public init(batch: AuditChain.Batch, next: Int64?) { (self.batch, self.next) = (batch, next) }
}

/// Entries that were not sealed, and are kept: they show what somebody has done.
public enum AuditRejected {
    /// So many are kept.
    public static let most = 10_000
}

/// Decides which of the oldest rows are deleted.
public typealias AuditTrim = @Sendable (_ oldest: AuditOldest) -> AuditTrimming

/// What came of deleting the oldest rows.
public enum AuditTrimOutcome: Sendable, Hashable {
    /// So many were deleted. The rows about that follow the end of the chain.
    case deleted(Int, [AuditRow])
    /// None is to be deleted.
    case nothing
    /// All that were looked at have times in the future: the rows after them decide.
    case undecided
    /// Another process is sealing at this moment: there may be rows to delete.
    case locked
    /// They are not as the gateway has left them, and none was deleted.
    case refused(AuditFinding)

    /// How many were deleted.
    public var count: Int { if case .deleted(let count, _) = self { count } else { 0 } }
}

/// Rows that were read.
public struct AuditRows: Sendable, Hashable {
    public var rows: [AuditRow]
    /// The numbers of rows that cannot be read, which are left out.
    public var unreadable: [Int64]
    /// Whether there may be more: as many were read as were asked for, or looked at as may be.
    public var isFull: Bool
    /// The last row that was looked at; nil where none was.
    public var last: AuditPlace?

    /// Makes an answer.
    public init(rows: [AuditRow], unreadable: [Int64] = [], isFull: Bool = false, last: AuditPlace? = nil) {
        (self.rows, self.unreadable, self.isFull, self.last) = (rows, unreadable, isFull, last)
    }
}

/// Makes the entry of the audit trail about a delivery that has ended; nil where it has none. It may be called again for the
/// same one.
public typealias DeliveryAudit = @Sendable (Delivery) -> AuditEntry?

extension ExportLedger {
    /// Ends every delivery that is still under way without entries of the audit trail.
    public func breakDeliveriesUnderWay(at time: Timestamp, reason: String) async throws -> Int {
        try await breakDeliveriesUnderWay(at: time, reason: reason, audit: nil)
    }
}

extension LedgerRecord {
    /// The record as it is when its entry of the audit trail was stored.
    package var audited: LedgerRecord {
        guard auditEntry != nil else { return self }
        var record = self
        record.auditEntry = nil
        return record
    }
}
