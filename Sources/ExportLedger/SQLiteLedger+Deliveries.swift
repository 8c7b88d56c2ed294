public import Exports
import GRDB

extension SQLiteLedger {
    public func begin(_ delivery: Delivery) async throws -> Bool {
        try await write { database in
            let columns = delivery.columns
            let names = columns.map(\.name).joined(separator: ", ")
            let marks = columns.map { _ in "?" }.joined(separator: ", ")
            let sql = "INSERT INTO delivery (\(names)) SELECT \(marks) WHERE EXISTS (SELECT 1 FROM export WHERE id = ?)"
            try database.cachedStatement(sql: sql)
                .execute(arguments: StatementArguments(columns.map(\.value) + [delivery.exportID.description]))
            return database.changesCount == 1
        }
    }

    public func insert(
        _ delivery: Delivery,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        try await write { database in
            guard let before = try Self.record(delivery.exportID, in: database) else { return .notFound }
            let columns = delivery.columns
            let names = columns.map(\.name).joined(separator: ", ")
            let marks = columns.map { _ in "?" }.joined(separator: ", ")
            let values = columns.dropFirst(2).map { "\($0.name) = excluded.\($0.name)" }.joined(separator: ", ")
            let sql = """
                INSERT INTO delivery (\(names)) VALUES (\(marks))
                ON CONFLICT (export_id, id) DO UPDATE SET \(values) WHERE delivery.outcome = 'underWay'
                """
            try database.cachedStatement(sql: sql).execute(arguments: StatementArguments(columns.map(\.value)))
            guard database.changesCount == 1 else {
                throw LedgerError(.corrupt, "the end of delivery \(delivery.id) was written before")
            }
            var after = before
            change(&after)
            if after != before { _ = try Self.update(after, fence: before.fence, in: database) }
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
        let page = try await read { database -> (values: [Delivery], hasMore: Bool, leftOut: [UnreadableRow])? in
            let isKnown = try Bool.fetchOne(
                database,
                sql: "SELECT TRUE FROM export WHERE id = ?",
                arguments: [id.description]
            )
            guard isKnown != nil else { return nil }
            // The empty text is less than every id.
            let place: [(any DatabaseValueConvertible)?] = [id.description, after?.description ?? ""]
            let found = try Row.fetchCursor(
                database,
                sql: "SELECT * FROM delivery WHERE export_id = ? AND id > ?"
                    + (requestID == nil ? "" : " AND request_id = ?") + " ORDER BY id",
                arguments: StatementArguments(place + (requestID.map { [$0] } ?? []))
            )
            return try Self.page(found, limit: limit) { row in
                try Self.naming(.delivery, row, id: row["id"]) { try Delivery(row) }
            }
        }
        guard let page else { return nil }
        page.leftOut.forEach(unreadable.found)
        return DeliveryPage(deliveries: page.values, hasMore: page.hasMore, unreadable: page.leftOut.count)
    }
}

extension Delivery {
    /// The delivery as its row: every column.
    fileprivate var columns: [(name: String, value: (any DatabaseValueConvertible)?)] {
        [
            ("export_id", exportID.description),
            ("id", id.description),
            ("kind", kind.rawValue),
            ("file_id", fileID),
            ("caller", caller),
            ("request_id", requestID),
            ("started_at", startedAt.milliseconds),
            ("ended_at", endedAt?.milliseconds),
            ("coding", coding),
            ("range_first", rangeFirst),
            ("range_last", rangeLast),
            ("bytes_sent", bytesSent),
            ("file_bytes", fileBytes),
            ("sha256", sha256),
            ("resumptions", resumptions),
            ("outcome", outcome.rawValue),
            ("reason", reason),
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
