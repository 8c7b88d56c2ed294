public import Audit
public import Exports

/// What stores the audit trail. Each operation is atomic, and durable when it returns. All throw `LedgerError`, or `CancellationError`
/// when the task is cancelled; nothing was changed then.
///
/// An **entry** is stored with what it is about, in the same transaction (``LedgerRecord/auditEntry``, ``PurgeAudit``), or by ``append(_:)``.
/// Until it is **sealed** it is in no order. To seal entries is to move them, in one transaction, to the end of the chain: there is one
/// chain, whatever number of processes seal. A sealed row is never changed, and deleted only by ``trimAudit(before:limit:_:)``.
public protocol AuditStore: Sendable {
    /// Stores entries that belong to no change of an export.
    func append(_ entries: [AuditEntry]) async throws

    /// Passes the end of the chain and the oldest entries that are not sealed, at most `limit`, to `seal`, and moves them: stores the
    /// rows that it returns, and deletes the entries, also those that it has rejected. It may be called again for the same entries. Nil
    /// where there are none, and where another process is sealing at this moment.
    ///
    /// An entry that cannot be read stays: a newer version may have written it.
    func sealAudit(limit: Int, _ seal: @escaping AuditSeal) async throws -> AuditChain.Batch?

    /// Deletes the oldest rows: of the first `limit`, those before the first one whose time is `time` or later, and never the last row
    /// of the chain. With the end of the chain and the last of the rows that are deleted, `trim` is called, and what it returns is
    /// stored in the same transaction: rows at the end of the chain, and the anchor. Returns how many rows were deleted; 0 also where
    /// another process is sealing at this moment. A row that cannot be read ends what is deleted.
    func trimAudit(before time: Timestamp, limit: Int, _ trim: @escaping AuditTrim) async throws -> Int

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
    @Sendable (_ head: AuditHead?, _ entries: [AuditEntry], _ known: Set<ExportID>) -> AuditChain.Batch

/// Seals that the rows up to `last` are deleted, and makes the anchor after which the chain begins then.
public typealias AuditTrim =
    @Sendable (_ head: AuditHead, _ last: AuditRow) -> (batch: AuditChain.Batch, anchor: AuditAnchor)

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

extension LedgerRecord {
    /// The record as it is when its entry of the audit trail was stored.
    package var audited: LedgerRecord {
        guard auditEntry != nil else { return self }
        var record = self
        record.auditEntry = nil
        return record
    }
}
