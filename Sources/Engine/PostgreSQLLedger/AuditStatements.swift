import Audit
import ExportLedger
import Exports
import PostgreSQL

/// The statements of the audit trail.
///
/// **One order.** Transactions only insert into `audit_pending`, which no two of them wait for. Whoever seals holds one advisory lock to
/// the end of its transaction, reads the end of the chain after it has the lock, and appends. A second one at the same time does
/// nothing. So there is one chain, whichever replicas seal.
enum AuditStatements {
    /// Taken with one statement, so that all later ones see what was committed under it before.
    static let lock: SQLStatement = "SELECT pg_try_advisory_xact_lock(hashtextextended('audit', 14))"

    private static let insertEntry = SQLStatement(
        """
        INSERT INTO audit_pending (\(AuditEntry.pendingColumns.joined(separator: ", ")))
            VALUES (\(RecordStatements.marks(1...AuditEntry.pendingColumns.count)))
        """
    )

    static func insert(_ entry: AuditEntry) throws -> SQLQuery {
        SQLQuery(
            insertEntry,
            try zip(entry.pendingValues, AuditEntry.pendingColumns).map { try SQLValue(checked: $0, $1) }
        )
    }

    static let unsealed = SQLStatement(
        """
        SELECT number, \(AuditEntry.pendingColumns.joined(separator: ", ")) FROM audit_pending
            WHERE number > $1 ORDER BY number LIMIT $2
        """
    )
    static let hasUnsealed: SQLStatement = "SELECT EXISTS (SELECT 1 FROM audit_pending WHERE number > $1)"
    static let known: SQLStatement = "SELECT id FROM audit_row WHERE id = ANY($1::text[])"
    static let deleteEntries: SQLStatement = "DELETE FROM audit_pending WHERE number = ANY($1::bigint[])"
    private static let insertRejected = SQLStatement(
        """
        INSERT INTO audit_rejected (number, \(AuditEntry.pendingColumns.joined(separator: ", ")))
            SELECT number, \(AuditEntry.pendingColumns.joined(separator: ", ")) FROM audit_pending
            WHERE number = ANY($1::bigint[])
            ORDER BY number LIMIT greatest(0, $2::bigint - (SELECT count(*) FROM audit_rejected))
            ON CONFLICT (number) DO NOTHING
        """
    )

    /// Keeps entries that are rejected, up to a number of rows.
    static func putAside(_ numbers: [Int64]) -> SQLQuery {
        SQLQuery(insertRejected, [.integerArray(numbers), .integer(Int64(AuditRejected.most))])
    }

    static let head = SQLStatement("SELECT \(AuditHead.names) FROM audit_row ORDER BY sequence DESC LIMIT 1")
    /// The number of the first row.
    static let first: SQLStatement = "SELECT sequence FROM audit_row ORDER BY sequence LIMIT 1"
    static let anchor = SQLStatement("SELECT \(AuditAnchor.names) FROM audit_anchor")
    /// The oldest time is one between those.
    static let backlog: SQLStatement = """
        SELECT (SELECT count(*) FROM audit_pending),
            (SELECT time FROM audit_pending WHERE time BETWEEN $1 AND $2 ORDER BY number LIMIT 1)
        """

    private static let insertRow = SQLStatement(
        "INSERT INTO audit_row (\(AuditRow.names)) VALUES (\(RecordStatements.marks(1...AuditRow.columns.count)))"
    )

    static func insert(_ row: AuditRow) throws -> SQLQuery {
        SQLQuery(insertRow, try zip(row.values, AuditRow.columns).map { try SQLValue(checked: $0, $1) })
    }

    // MARK: Rows

    private static let selectRows = "SELECT \(AuditRow.names) FROM audit_row"
    static let rowsAfter = SQLStatement("\(selectRows) WHERE sequence > $1 ORDER BY sequence LIMIT $2")

    private static let newestFirst = "ORDER BY time DESC, sequence DESC"

    /// The last row that a page looks at. Nil where all that are found match.
    static func lastLooked(_ search: AuditSearch) -> SQLQuery? {
        guard search.rest != nil else { return nil }
        let rows = "audit_row WHERE \(search.range) \(newestFirst)"
        return SQLQuery(
            SQLStatement("SELECT time, sequence FROM \(rows) LIMIT 1 OFFSET \(AuditSearch.mostLooked - 1)"),
            search.rangeValues.map { SQLValue($0) }
        )
    }

    static func rows(_ search: AuditSearch, to last: AuditPlace?, limit: Int) -> SQLQuery {
        let (range, values, next) = search.looked(to: last)
        var text = "\(selectRows) WHERE \(range) \(newestFirst)"
        // OFFSET keeps the condition outside of what is found, and so the planner from an index that finds more.
        if let rest = search.rest {
            text = "SELECT \(AuditRow.names) FROM (\(text) OFFSET 0) AS found WHERE \(rest) \(newestFirst)"
        }
        return SQLQuery(
            SQLStatement("\(text) LIMIT \(next)"),
            values.map { SQLValue($0) } + [.integer(Int64(limit))]
        )
    }

    // MARK: Deletions

    static let oldest = SQLStatement("\(selectRows) ORDER BY sequence LIMIT $1")
    static let deleteRows: SQLStatement = "DELETE FROM audit_row WHERE sequence <= $1"
    private static let storeAnchor = SQLStatement(
        """
        INSERT INTO audit_anchor (\(AuditAnchor.names)) VALUES (\(RecordStatements.marks(1...AuditAnchor.columns.count)))
        ON CONFLICT (number) DO UPDATE
            SET \(AuditAnchor.columns.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
        """
    )

    static func store(_ anchor: AuditAnchor) -> SQLQuery { SQLQuery(storeAnchor, anchor.values.map { SQLValue($0) }) }
}
