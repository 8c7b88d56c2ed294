import Audit
import ExportLedger
import Exports
import Webhooks

/// What a check found: that something is as it must be, or what is not.
public struct LedgerFinding: Sendable, Hashable, CustomStringConvertible {
    /// What it is about, such as a table.
    public var subject: String
    public var isGood: Bool
    public var detail: String

    public var description: String { "\(isGood ? "ok  " : "FAIL") \(subject): \(detail)" }
}

/// A ledger that is checked: one state of it, whatever a gateway writes meanwhile. Calls block. They throw ``MaintenanceError``.
protocol InspectedLedger: LedgerTables {
    /// What the storage says of itself. With a bad finding, the rows are not read.
    func integrity() throws -> [LedgerFinding]

    /// Whether it is a copy that is not finished.
    func isUnfinishedCopy() throws -> Bool

    /// The number that a statement selects.
    func number(_ sql: String) throws -> Int64

    /// The texts that a statement selects.
    func texts(_ sql: String) throws -> [String]

    /// What must hold between the rows of its tables.
    var rules: [LedgerRule] { get }
}

/// Checks whether a ledger is whole: whether its storage is, whether every row can be read, and whether the rows of its tables
/// belong together.
struct LedgerCheck {
    /// So many rows are named for each finding.
    static let mostExamples = 5

    let ledger: any InspectedLedger

    func run() throws -> [LedgerFinding] {
        var findings = try ledger.integrity()
        guard findings.allSatisfy(\.isGood) else { return findings }
        if try ledger.isUnfinishedCopy() {
            findings.append(
                LedgerFinding(subject: "copy", isGood: false, detail: "the ledger is a copy that is not finished")
            )
        }
        findings += try readability()
        for rule in ledger.rules {
            let count = try ledger.number("SELECT count(*) FROM (\(rule.violations)) AS violations")
            guard count > 0 else { continue }
            let examples = try ledger.texts("\(rule.violations) LIMIT \(Self.mostExamples)")
            findings.append(
                LedgerFinding(
                    subject: rule.table,
                    isGood: false,
                    detail: "\(count) \(rule.meaning): \(Self.list(examples, of: count))"
                )
            )
        }
        return findings
    }

    /// One finding for each table.
    private func readability() throws -> [LedgerFinding] {
        try LedgerTable.all.map { table in
            // A request is read with its export.
            let read = table == .exports ? LedgerTable.records : table
            let rows = try ledger.count(of: table)
            let unreadable = table == .requests ? (count: 0, examples: []) : try unreadable(read)
            guard unreadable.count > 0 else {
                return LedgerFinding(subject: table.name, isGood: true, detail: "\(rows) rows")
            }
            return LedgerFinding(
                subject: table.name,
                isGood: false,
                detail: "\(unreadable.count) of \(rows) rows cannot be read: "
                    + Self.list(unreadable.examples, of: Int64(unreadable.count))
            )
        }
    }

    /// Reads all rows of a table.
    private func unreadable(_ table: LedgerTable) throws -> (count: Int, examples: [String]) {
        var (count, examples): (Int, [String]) = (0, [])
        var (batch, last) = (RowBatch(), RowKey?.none)
        repeat {
            try ledger.read(table, after: last, into: &batch)
            last = batch.lastKey(in: table) ?? last
            for index in 0..<batch.count {
                guard let column = table.unreadableColumn(BatchRow(batch, index, table)) else { continue }
                count += 1
                if examples.count < Self.mostExamples {
                    examples.append("\(batch.key(of: index, in: table)) (\(column))")
                }
            }
        } while batch.count > 0
        return (count, examples)
    }

    private static func list(_ examples: [String], of count: Int64) -> String {
        examples.joined(separator: ", ") + (count > Int64(examples.count) ? ", …" : "")
    }
}

extension LedgerTable {
    /// The column because of which the gateway cannot read a row; nil where it can.
    fileprivate func unreadableColumn(_ row: BatchRow) -> String? {
        do {
            switch self {
            case .records: _ = try row.record()
            case .events: _ = try ExportChange.read(row)
            case .deliveries: _ = try Delivery.read(row)
            case .tombstones: _ = try ExportTombstone.read(row)
            case .measurements, .refreshTokens, .retainedEvents: return Self.unreadable(row, id: 0)
            case .idempotency: return Self.unreadable(row, id: 3)
            case .webhooks: _ = try Webhook.read(row)
            case .webhookMessages: _ = try WebhookMessage.read(row)
            case .auditEntries, .auditRejected: _ = try AuditEntry.read(row)
            case .auditRows: _ = try AuditRow.read(row)
            default: break
            }
            return nil
        } catch {
            return (error as? LedgerError)?.row?.column ?? "\(error)"
        }
    }

    private static func unreadable(_ row: BatchRow, id column: Int) -> String? {
        ExportID(row[column] as String) == nil ? "id" : nil
    }
}
