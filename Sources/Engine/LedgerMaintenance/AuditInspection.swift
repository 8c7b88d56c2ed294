public import Audit
import ExportLedger
import Exports

extension LedgerPlace {
    /// What a check of an audit trail has found.
    public struct AuditReport: Sendable {
        public var verification: AuditVerification
        /// The entries that are not sealed.
        public var unsealed: Int64
        /// The entries that were rejected, and are kept.
        public var rejected: Int64
    }

    /// Checks the audit trail of the ledger with keys and heads. A gateway may work on it: one state is checked. Throws like `check()`.
    public func verifyAudit(keys: AuditKeys, heads: [AuditHead]) throws -> AuditReport {
        switch self {
        case .file(let path):
            try SQLiteInspection.run(path) { try AuditInspection(ledger: $0).verify(keys, heads) }
        case .database(let uri):
            try PostgreSQLInspection.run(uri) { try AuditInspection(ledger: $0).verify(keys, heads) }
        }
    }
}

/// Reads the audit trail of a ledger part by part.
struct AuditInspection {
    let ledger: any InspectedLedger

    func verify(_ keys: AuditKeys, _ heads: [AuditHead]) throws -> LedgerPlace.AuditReport {
        let (anchor, fault) = try self.anchor()
        var verification = AuditVerification(.trail(anchor), keys: keys, heads: heads)
        var (batch, last) = (RowBatch(), RowKey?.none)
        repeat {
            try ledger.read(.auditRows, after: last, into: &batch)
            last = batch.lastKey(in: .auditRows) ?? last
            for index in 0..<batch.count {
                let row = BatchRow(batch, index, .auditRows, hasBytes: true)
                do {
                    verification.check(try AuditRow.read(row))
                } catch let error as LedgerError {
                    verification.unreadable(row.integer(0), error.detail)
                }
            }
        } while batch.count > 0
        // At the end, because it is no row.
        if let fault { verification.unreadable(nil, "the anchor: \(fault)") }
        verification.finish()
        return LedgerPlace.AuditReport(
            verification: verification,
            unsealed: try ledger.count(of: .auditEntries),
            rejected: try ledger.count(of: .auditRejected)
        )
    }

    /// The anchor, or why it cannot be read.
    private func anchor() throws -> (AuditAnchor?, fault: String?) {
        var batch = RowBatch()
        try ledger.read(.auditAnchors, after: nil, into: &batch)
        guard batch.count > 0 else { return (nil, nil) }
        do {
            return (try AuditAnchor.read(BatchRow(batch, 0, .auditAnchors, hasBytes: true)), nil)
        } catch let error as LedgerError {
            return (nil, error.detail)
        }
    }
}
