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

    func sealAudit(
        after number: Int64,
        limit: Int,
        _ seal: @escaping AuditSeal
    ) async throws -> AuditSealed? {
        switch fault {
        case .beginsAnotherChain:
            return try await ledger.sealAudit(after: number, limit: limit) { ends, entries, known in
                guard let head = ends.head, head.sequence > 3 else { return seal(ends, entries, known) }
                var other = ends
                other.head = AuditHead(
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
            return try await ledger.sealAudit(after: number, limit: limit, seal)
        case .sealsLater:
            let sealed = try await ledger.sealAudit(after: number, limit: limit, seal)
            if sealed != nil {
                try await ledger.database.write { try $0.execute(sql: "DELETE FROM audit_row WHERE sequence > 1") }
            }
            return sealed
        case .sealsCopiesOfDeletedRows:
            return try await ledger.sealAudit(after: number, limit: limit) { ends, entries, known in
                seal(AuditEnds(head: ends.head, first: 1), entries, known)
            }
        case .hidesTheFirstRow:
            return try await ledger.sealAudit(after: number, limit: limit) { ends, entries, known in
                seal(AuditEnds(head: ends.head, first: nil, anchor: ends.anchor), entries, known)
            }
        case .losesWaitingEntries:
            let sealed = try await ledger.sealAudit(after: number, limit: limit, seal)
            if sealed?.batch.waiting.isEmpty == false {
                try await ledger.database.write { try $0.execute(sql: "DELETE FROM audit_pending") }
            }
            return sealed
        case .looksAtTheFirstEntriesAgain: return try await ledger.sealAudit(after: 0, limit: limit, seal)
        default: return try await ledger.sealAudit(after: number, limit: limit, seal)
        }
    }

    func trimAudit(limit: Int, _ trim: @escaping AuditTrim) async throws -> AuditTrimOutcome {
        let outcome = try await ledger.trimAudit(limit: fault == .trimsTooMuch ? limit + 1 : limit, trim)
        if fault == .trimsWhatIsRefused, case .refused = outcome {
            try await ledger.database.write { try $0.execute(sql: "DELETE FROM audit_row WHERE sequence = 1") }
        }
        return outcome
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
