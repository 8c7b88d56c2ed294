public import Exports
import GRDB

extension SQLiteLedger {
    public func begin(_ delivery: Delivery) async throws -> Bool {
        try await write { database in
            try database.cachedStatement(sql: Delivery.begin)
                .execute(
                    arguments: StatementArguments(delivery.arguments + [delivery.exportID.description.databaseValue])
                )
            return database.changesCount == 1
        }
    }

    public func insert(
        _ delivery: Delivery,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        let (progress, records) = (progress, records)
        return try await write { database in
            guard let stored = try Self.record(delivery.exportID, in: database) else { return .notFound }
            try database.cachedStatement(sql: Delivery.end).execute(arguments: StatementArguments(delivery.arguments))
            guard database.changesCount == 1 else {
                throw LedgerError(.corrupt, "the end of delivery \(delivery.id) was written before")
            }
            let before = progress.current(stored)
            var after = before
            change(&after)
            if after != before, !progress.keep(after, since: before, row: stored) {
                try records.write(after, over: stored, in: database)
                progress.isWritten(after.export.id)
            }
            return .written(before: before, after: after.audited)
        }
    }

    public func breakDeliveriesUnderWay(
        at time: Timestamp,
        reason: String,
        audit: DeliveryAudit?
    ) async throws -> Int {
        let (count, leftOut) = try await writeAlone { database -> (Int, [UnreadableRow]) in
            let found = try audit == nil ? [] : Row.fetchAll(database, sql: Delivery.selectUnderWay)
            try database.execute(
                sql: "UPDATE delivery SET outcome = ?, reason = ?, ended_at = ? WHERE outcome = 'underWay'",
                arguments: [Delivery.Outcome.broken.rawValue, reason, time.milliseconds]
            )
            let count = database.changesCount
            let broken = try BrokenDeliveries(found.map { SQLiteRow(row: $0) }, at: time, reason: reason, audit)
            for entry in broken.entries { try entry.insert(in: database) }
            return (count, broken.unreadable)
        }
        leftOut.forEach(unreadable.found)
        return count
    }

    public func deliveries(of id: ExportID, ticket: ExportID, limit: Int) async throws -> [Delivery] {
        try await read { database in
            let sql =
                "SELECT \(Delivery.names) FROM delivery WHERE export_id = ? AND ticket = ? ORDER BY ticket_use LIMIT ?"
            let found = try Row.fetchCursor(
                database,
                sql: sql,
                arguments: [id.description, ticket.description, max(0, limit)]
            )
            return try Array(found.map { try Delivery.read(SQLiteRow(row: $0)) })
        }
    }

    public func deliveries(
        of id: ExportID,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws -> DeliveryPage? {
        let limit = max(0, limit)
        let page = try await read { database -> RowPage<Delivery>? in
            let isKnown = try Bool.fetchOne(
                database,
                sql: "SELECT TRUE FROM export WHERE id = ?",
                arguments: [id.description]
            )
            guard isKnown != nil else { return nil }
            // The empty text sorts before every id.
            let place: [(any DatabaseValueConvertible)?] = [id.description, after?.description ?? ""]
            let found = try Row.fetchCursor(
                database,
                sql: requestID == nil ? Delivery.ofExport : Delivery.ofRequest,
                arguments: StatementArguments(place + (requestID.map { [$0] } ?? []))
            )
            return try Self.page(found, limit: limit, by: { $0["id"] }) { try Delivery.read(SQLiteRow(row: $0)) }
        }
        guard let page else { return nil }
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
    private static let marks = columns.map { _ in "?" }.joined(separator: ", ")
    fileprivate static let selectUnderWay = """
        SELECT \(names) FROM delivery INDEXED BY delivery_under_way WHERE outcome = 'underWay' ORDER BY export_id, id
        """

    fileprivate static let begin = """
        INSERT INTO delivery (\(names)) SELECT \(marks) WHERE EXISTS (SELECT 1 FROM export WHERE id = ?)
        ON CONFLICT (export_id, ticket, ticket_use) WHERE ticket IS NOT NULL DO NOTHING
        """
    static let ofExport = "SELECT \(names) FROM delivery WHERE export_id = ? AND id > ? ORDER BY id"
    // Named, because SQLite's choice between it and the primary key depends on which other indexes there are.
    static let ofRequest = """
        SELECT \(names) FROM delivery INDEXED BY delivery_by_request
        WHERE export_id = ? AND id > ? AND request_id = ? ORDER BY id
        """
    fileprivate static let end = """
        INSERT INTO delivery (\(names)) VALUES (\(marks))
        ON CONFLICT (export_id, id) DO UPDATE
        SET \(columns.dropFirst(2).map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
        WHERE delivery.outcome = 'underWay'
        """

    fileprivate var arguments: [DatabaseValue] { values.map(\.databaseValue) }
}
