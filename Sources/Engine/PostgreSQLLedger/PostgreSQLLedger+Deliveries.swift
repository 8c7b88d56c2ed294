public import ExportLedger
public import Exports
import PostgreSQL

extension PostgreSQLLedger {
    public func begin(_ delivery: Delivery) async throws -> Bool {
        try await write(.change, WriteNeeds()) { transaction, _ in
            transaction.stage(SQLQuery(Delivery.begin, try delivery.parameters(transaction.replica)))
            return { rows in rows.first.map { $0.affected == 1 } ?? (delivery.ticket == nil) }
        }
    }

    public func insert(
        _ delivery: Delivery,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        try await write(
            .change,
            WriteNeeds(records: [delivery.exportID]),
            refused: .failure(LedgerError(.corrupt, "the end of delivery \(delivery.id) was written before"))
        ) { transaction, _ in
            guard let before = try transaction.record(delivery.exportID) else { return { _ in .notFound } }
            var after = before
            change(&after)
            transaction.stage(SQLQuery(Delivery.end, try delivery.parameters(transaction.replica)))
            try transaction.write(after, over: before)
            return { [after = after.audited] _ in .written(before: before, after: after) }
        }
    }

    public func breakDeliveriesUnderWay(
        at time: Timestamp,
        reason: String,
        audit: DeliveryAudit?
    ) async throws -> Int {
        let (count, leftOut) = try await writeAlone { connection in
            try connection.transaction { connection -> (Int, [UnreadableRow]) in
                let outcome: SQLValue = .text(Delivery.Outcome.broken.rawValue)
                let found = try connection.query(
                    SQLQuery(Delivery.breakUnderWay, [outcome, .text(reason), .integer(time.milliseconds)])
                )
                guard let audit, !found.isEmpty else { return (found.count, []) }
                let broken = try BrokenDeliveries(found, at: time, reason: reason, audit)
                _ = try connection.pipeline(try broken.entries.map { try AuditStatements.insert($0) })
                return (found.count, broken.unreadable)
            }
        }
        leftOut.forEach(unreadable.found)
        return count
    }

    public func deliveries(of id: ExportID, ticket: ExportID, limit: Int) async throws -> [Delivery] {
        let values: [SQLValue] = [.text(id.description), .text(ticket.description), .integer(Int64(max(0, limit)))]
        return try await read { connection in
            let rows = try connection.query(SQLQuery(Delivery.ofTicket, values))
            return try (0..<rows.count).map { try Delivery.read(rows[$0]) }
        }
    }

    public func deliveries(
        of id: ExportID,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws -> DeliveryPage? {
        let limit = max(0, limit)
        // The empty text sorts before every id. As many are read as can be left out of one page.
        var values: [SQLValue] = [.text(id.description), .text(after?.description ?? "")]
        values.append(.integer(RowPage<Delivery>.rows(for: limit)))
        if let requestID { values.append(.text(requestID)) }
        let query = SQLQuery(requestID == nil ? Delivery.ofExport : Delivery.ofRequest, values)
        let answers = try await read { connection in
            try connection.pipeline([
                SQLQuery("SELECT 1 FROM export WHERE id = $1", [.text(id.description)]), query,
            ])
        }
        guard answers[0].count > 0 else { return nil }
        let id: (SQLRow) -> String = { $0[1] }
        let page = try RowPage<Delivery>(answers[1], limit: limit, by: id) { try Delivery.read($0) }
        page.leftOut.forEach(unreadable.found)
        return DeliveryPage(
            deliveries: page.values,
            hasMore: page.hasMore,
            unreadable: page.leftOut.count,
            next: page.stoppedAt
        )
    }
}

extension Delivery {
    private static let count = columns.count

    // The parameters are cast because a SELECT tells nothing about their types. The lock waits for whoever purges the export, and for
    // nobody else.
    fileprivate static let begin = SQLStatement(
        """
        INSERT INTO delivery (\(names), replica) SELECT \(cast), $\(count + 1)::text
            FROM (SELECT 1 FROM export WHERE id = $1::text FOR KEY SHARE) AS known
            ON CONFLICT (export_id, ticket, ticket_use) WHERE ticket IS NOT NULL DO NOTHING
        """
    )
    private static let numbers: Set = [
        "started_at", "ended_at", "range_first", "range_last", "bytes_sent", "file_bytes", "resumptions",
        "ticket_use",
    ]
    private static let cast = columns.enumerated()
        .map { "$\($0 + 1)::\(numbers.contains($1) ? "bigint" : "text")" }
        .joined(separator: ", ")

    // A replica whose registration has expired may still be sending: where others took its delivery for broken, its end counts.
    fileprivate static let end = SQLStatement(
        """
        WITH ended AS (
            INSERT INTO delivery (\(names), replica) VALUES (\(RecordStatements.marks(1...count + 1)))
            ON CONFLICT (export_id, id) DO UPDATE
            SET \(columns.dropFirst(2).map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
            WHERE delivery.outcome = 'underWay'
                OR (delivery.outcome = 'broken' AND delivery.reason = '\(gatewayStopped)') RETURNING 1
        )
        SELECT 1 / count(*) FROM ended
        """
    )
    fileprivate static let breakUnderWay = SQLStatement(
        """
        UPDATE delivery SET outcome = $1, reason = $2, ended_at = $3 WHERE outcome = 'underWay' AND NOT EXISTS (
            SELECT 1 FROM replica WHERE replica.id = delivery.replica AND replica.expires_at > clock_timestamp()
        )
        RETURNING \(names)
        """
    )
    fileprivate static let ofExport = SQLStatement(
        "SELECT \(names) FROM delivery WHERE export_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    )
    fileprivate static let ofTicket = SQLStatement(
        "SELECT \(names) FROM delivery WHERE export_id = $1 AND ticket = $2 ORDER BY ticket_use LIMIT $3"
    )
    fileprivate static let ofRequest = SQLStatement(
        "SELECT \(names) FROM delivery WHERE export_id = $1 AND id > $2 AND request_id = $4 ORDER BY id LIMIT $3"
    )

    fileprivate func parameters(_ replica: String?) throws -> [SQLValue] {
        try zip(values, Self.columns).map { try SQLValue(checked: $0, $1) } + [.text(replica)]
    }
}
