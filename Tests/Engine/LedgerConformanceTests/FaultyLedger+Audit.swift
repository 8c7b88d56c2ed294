import Audit
import Exports
import GRDB

@testable import ExportLedger

extension FaultyLedger: AuditStore {
    /// A change without its entry, where the fault loses them.
    func auditing(
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) -> @Sendable (inout LedgerRecord) -> Void {
        guard fault == .losesAuditEntries else { return change }
        return { record in
            change(&record)
            record.auditEntry = nil
        }
    }

    /// As if the entry were stored in a transaction of its own.
    func auditWithoutChange(_ entry: AuditEntry?) async throws {
        guard fault == .auditsWhatIsNotChanged, let entry else { return }
        try await ledger.append([entry])
    }

    func append(_ entries: [AuditEntry]) async throws { try await ledger.append(entries) }

    func sealAudit(limit: Int, _ seal: @escaping AuditSeal) async throws -> AuditChain.Batch? {
        switch fault {
        case .beginsAnotherChain:
            return try await ledger.sealAudit(limit: limit) { head, entries, known in
                guard let head, head.sequence > 3 else { return seal(head, entries, known) }
                let other = AuditHead(
                    sequence: head.sequence,
                    code: AuditRow.noCode,
                    keyID: head.keyID,
                    time: head.time
                )
                return seal(other, entries, known)
            }
        case .sealsAgain:
            try await ledger.database.write { database in
                try database.execute(sql: "UPDATE audit_row SET id = id || ' former' WHERE length(id) = 36")
            }
            return try await ledger.sealAudit(limit: limit, seal)
        case .sealsLater:
            let batch = try await ledger.sealAudit(limit: limit, seal)
            if batch != nil {
                try await ledger.database.write { try $0.execute(sql: "DELETE FROM audit_row WHERE sequence > 1") }
            }
            return batch
        default: return try await ledger.sealAudit(limit: limit, seal)
        }
    }

    func trimAudit(before time: Timestamp, limit: Int, _ trim: @escaping AuditTrim) async throws -> Int {
        let early = fault == .trimsTooEarly ? time + .seconds(200) : time
        return try await ledger.trimAudit(before: early, limit: limit, trim)
    }

    func auditHead() async throws -> AuditHead? { try await ledger.auditHead() }

    func auditAnchor() async throws -> AuditAnchor? {
        fault == .trimsWithoutAnAnchor ? nil : try await ledger.auditAnchor()
    }

    func auditRows(after sequence: Int64, limit: Int) async throws -> AuditRows {
        try await ledger.auditRows(after: sequence, limit: limit)
    }

    func auditRows(matching filter: AuditFilter, before place: AuditPlace?, limit: Int) async throws -> AuditRows {
        var filter = filter
        if fault == .ignoresTheCallerOfRows { filter.caller = nil }
        var rows = try await ledger.auditRows(matching: filter, before: place, limit: limit)
        if fault == .listsTheOldestRowsFirst { rows.rows.reverse() }
        while fault == .looksAtEveryRow, rows.rows.isEmpty, rows.isFull, let last = rows.last {
            rows = try await ledger.auditRows(matching: filter, before: last, limit: limit)
        }
        return rows
    }

    func auditBacklog() async throws -> AuditBacklog { try await ledger.auditBacklog() }
}
