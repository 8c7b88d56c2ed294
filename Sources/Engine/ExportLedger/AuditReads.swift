package import Audit
import Exports

/// Entries that were read to be sealed, in the order of their numbers.
package struct UnsealedEntries: Sendable {
    package private(set) var entries: [AuditEntry] = []
    /// Those that cannot be read. They stay where they are.
    package private(set) var unreadable: [UnreadableRow] = []
    /// The number of the last one that was looked at; nil where there are no more after it.
    package private(set) var next: Int64?
    private var places: [Int64] = []

    /// Reads rows of a number and `AuditEntry.pendingColumns`, of which at most `limit` were asked for.
    package init<Row: StoredRow>(_ rows: some Sequence<Row>, limit: Int) throws {
        var (count, last) = (0, Int64?.none)
        for row in rows {
            count += 1
            let number: Int64 = row[0]
            last = number
            do {
                entries.append(try AuditEntry.read(row))
                places.append(number)
            } catch let error as LedgerError where error.row != nil {
                if let row = error.row { unreadable.append(row) }
            }
        }
        next = count >= limit ? last : nil
    }

    /// The numbers of the entries that do not wait any longer, and of those among them that are put aside.
    package func numbers(_ fates: [AuditChain.Batch.Fate]) -> (ended: [Int64], rejected: [Int64]) {
        var (ended, rejected) = ([Int64](), [Int64]())
        for (number, fate) in zip(places, fates) {
            if fate != .waiting { ended.append(number) }
            if fate == .rejected { rejected.append(number) }
        }
        return (ended, rejected)
    }
}

/// What is stored about deliveries that were under way, and are ended as broken.
package struct BrokenDeliveries: Sendable {
    package private(set) var entries: [AuditEntry] = []
    /// Those that cannot be read.
    package private(set) var unreadable: [UnreadableRow] = []

    /// Reads rows of `Delivery.columns`.
    package init<Row: StoredRow>(
        _ rows: some Sequence<Row>,
        at time: Timestamp,
        reason: String,
        _ audit: DeliveryAudit?
    ) throws {
        for row in rows {
            do {
                var delivery = try Delivery.read(row)
                (delivery.outcome, delivery.reason, delivery.endedAt) = (.broken, reason, time)
                if let entry = audit?(delivery) { entries.append(entry) }
            } catch let error as LedgerError where error.row != nil {
                if let row = error.row { unreadable.append(row) }
            }
        }
    }
}

extension AuditEnds {
    /// Reads the row of the anchor, where there is one.
    package init<Row: StoredRow>(head: AuditHead?, first: Int64?, anchor row: Row?) {
        self.init(head: head, first: first)
        guard let row else { return }
        anchor = try? AuditAnchor.read(row)
        hasUnreadableAnchor = anchor == nil
    }
}

extension AuditOldest {
    /// Reads rows of `AuditRow.columns`.
    package init<Row: StoredRow>(_ rows: some Sequence<Row>, head: AuditHead, anchor: AuditAnchor?) throws {
        self.init(head: head, anchor: anchor, rows: [])
        for row in rows {
            do {
                self.rows.append(try AuditRow.read(row))
            } catch let error as LedgerError where error.row != nil {
                unreadable = row[0]
                return
            }
        }
    }
}
