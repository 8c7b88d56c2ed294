import Exports
import Logging
import Metrics
import Synchronization

/// A row that cannot be read: it is damaged, or a newer version has written it.
package struct UnreadableRow: Sendable, Hashable {
    package enum Table: String, Sendable, CaseIterable {
        case export
        case delivery
        case refreshToken = "refresh_token"
        case event
        case tombstone
        case webhook
        case webhookMessage = "webhook_message"
        case audit

        /// What the row belongs to.
        fileprivate var owner: String {
            switch self {
            case .webhook, .webhookMessage: "webhook"
            case .audit: "part"
            default: "export"
            }
        }
    }

    package var table: Table
    /// The export's id, as the row has it; in the tables of webhooks, the webhook's; in the audit trail, whether it is sealed.
    package var export: String
    /// The row's own id, where it is another one.
    package var id: String?
    /// The first column that cannot be read.
    package var column: String

    /// Names a row.
    package init(table: Table, export: String, id: String? = nil, column: String) {
        (self.table, self.export, self.id, self.column) = (table, export, id, column)
    }
}

/// The rows that were set aside because they cannot be read. Each is logged once for the operator, and their number is a metric.
///
/// They stay in the ledger unchanged, to be repaired. A row that can be read again is not set aside any more.
///
/// Whoever can write to the tables of the audit trail can make any number of rows there, which are looked at again and again. So
/// only some are logged and counted, until the process ends.
package final class UnreadableRows: Sendable {
    private struct Key: Hashable {
        var table: UnreadableRow.Table
        var export: String
        var id: String?
    }

    /// So many rows of the audit trail are logged and counted.
    package static let mostOfAudit = 100

    private let rows = Mutex<[Key: String]>([:])
    private let auditRows = Mutex<Set<Key>>([])
    private let logger: Logger
    private let meters: [UnreadableRow.Table: Meter]

    package init(logger: Logger, metrics: any MetricsFactory) {
        self.logger = logger
        meters = Dictionary(
            uniqueKeysWithValues: UnreadableRow.Table.allCases.map { table in
                let meter = Meter(
                    label: "export_gateway_ledger_rows_unreadable",
                    dimensions: [("table", table.rawValue)],
                    factory: metrics
                )
                meter.set(0)
                return (table, meter)
            }
        )
    }

    /// The ids of exports whose own rows are set aside.
    package var exports: Set<String> { rows.withLock { Set($0.keys.filter { $0.table == .export }.map(\.export)) } }

    /// A row was found that cannot be read.
    package func found(_ row: UnreadableRow) {
        let key = Key(table: row.table, export: row.export, id: row.id)
        guard row.table == .audit ? isNewOfAudit(key) : isNew(key, row.column) else { return }
        var metadata: Logger.Metadata = [
            "table": "\(row.table.rawValue)", row.table.owner: "\(row.export)", "column": "\(row.column)",
        ]
        metadata["id"] = row.id.map { "\($0)" }
        logger.error(
            "A row of the ledger cannot be read and is set aside: repair it, or restore a backup",
            metadata: metadata
        )
    }

    private func isNew(_ key: Key, _ column: String) -> Bool {
        rows.withLock { rows in
            guard rows.updateValue(column, forKey: key) == nil else { return false }
            count(key.table, rows)
            return true
        }
    }

    private func isNewOfAudit(_ key: Key) -> Bool {
        auditRows.withLock { rows in
            guard rows.count < Self.mostOfAudit, rows.insert(key).inserted else { return false }
            meters[.audit]?.set(rows.count)
            return true
        }
    }

    /// An export's row was read.
    package func read(_ export: ExportID) {
        rows.withLock { rows in
            guard !rows.isEmpty else { return }
            let key = Key(table: .export, export: export.description, id: nil)
            if rows.removeValue(forKey: key) != nil { count(.export, rows) }
        }
    }

    private func count(_ table: UnreadableRow.Table, _ rows: [Key: String]) {
        meters[table]?.set(rows.keys.count { $0.table == table })
    }
}
