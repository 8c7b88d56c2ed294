public import Exports
import GRDB

extension SQLiteLedger {
    public func begin(_ delivery: Delivery) async throws -> Bool {
        try await write { database in
            try database.cachedStatement(sql: Delivery.begin)
                .execute(arguments: StatementArguments(delivery.values + [delivery.exportID.description]))
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
            try database.cachedStatement(sql: Delivery.end).execute(arguments: StatementArguments(delivery.values))
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
            return .written(before: before, after: after)
        }
    }

    public func breakDeliveriesUnderWay(at time: Timestamp, reason: String) async throws -> Int {
        try await writeAlone { database in
            try database.execute(
                sql: "UPDATE delivery SET outcome = ?, reason = ?, ended_at = ? WHERE outcome = 'underWay'",
                arguments: [Delivery.Outcome.broken.rawValue, reason, time.milliseconds]
            )
            return database.changesCount
        }
    }

    public func deliveries(
        of id: ExportID,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws -> DeliveryPage? {
        let limit = max(0, limit)
        let page = try await read { database -> Page<Delivery>? in
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
                sql: "SELECT * FROM delivery WHERE export_id = ? AND id > ?"
                    + (requestID == nil ? "" : " AND request_id = ?") + " ORDER BY id",
                arguments: StatementArguments(place + (requestID.map { [$0] } ?? []))
            )
            return try Self.page(found, limit: limit, by: { $0["id"] }) { row in
                try Self.naming(.delivery, row, id: row["id"]) { try Delivery(row) }
            }
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
    // In the same order as `values`.
    private static let columns = [
        "export_id", "id", "kind", "file_id", "caller", "request_id", "started_at", "ended_at", "coding", "range_first",
        "range_last", "bytes_sent", "file_bytes", "sha256", "resumptions", "outcome", "reason",
    ]
    private static let names = columns.joined(separator: ", ")
    private static let marks = columns.map { _ in "?" }.joined(separator: ", ")

    fileprivate static let begin =
        "INSERT INTO delivery (\(names)) SELECT \(marks) WHERE EXISTS (SELECT 1 FROM export WHERE id = ?)"
    fileprivate static let end = """
        INSERT INTO delivery (\(names)) VALUES (\(marks))
        ON CONFLICT (export_id, id) DO UPDATE
        SET \(columns.dropFirst(2).map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
        WHERE delivery.outcome = 'underWay'
        """

    fileprivate var values: [(any DatabaseValueConvertible)?] {
        [
            exportID.description, id.description, kind.rawValue, fileID, caller, requestID, startedAt.milliseconds,
            endedAt?.milliseconds, coding, rangeFirst, rangeLast, bytesSent, fileBytes, sha256, resumptions,
            outcome.rawValue, reason,
        ]
    }

    fileprivate init(_ row: Row) throws {
        guard let id = ExportID(row["id"] as String), let exportID = ExportID(row["export_id"] as String) else {
            throw JSONText.unreadable("id")
        }
        guard let outcome = Outcome(rawValue: row["outcome"]) else { throw JSONText.unreadable("outcome") }
        guard let kind = Kind(rawValue: row["kind"]) else { throw JSONText.unreadable("kind") }
        self.init(
            id: id,
            exportID: exportID,
            fileID: row["file_id"],
            caller: row["caller"],
            requestID: row["request_id"],
            startedAt: Timestamp(milliseconds: row["started_at"]),
            endedAt: row.time("ended_at"),
            coding: row["coding"],
            outcome: outcome
        )
        self.kind = kind
        rangeFirst = row["range_first"]
        rangeLast = row["range_last"]
        bytesSent = row["bytes_sent"]
        fileBytes = row["file_bytes"]
        sha256 = row["sha256"]
        resumptions = row["resumptions"]
        reason = row["reason"]
    }
}
