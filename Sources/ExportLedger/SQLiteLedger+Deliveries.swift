public import Exports
import GRDB

extension SQLiteLedger {
    public func insert(
        _ delivery: Delivery,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        try await write { database in
            guard let before = try Self.record(delivery.exportID, in: database) else { return .notFound }
            let columns = delivery.columns
            let names = columns.map(\.name).joined(separator: ", ")
            let marks = columns.map { _ in "?" }.joined(separator: ", ")
            try database.cachedStatement(sql: "INSERT INTO delivery (\(names)) VALUES (\(marks))")
                .execute(arguments: StatementArguments(columns.map(\.value)))
            var after = before
            change(&after)
            if after != before { _ = try Self.update(after, fence: before.fence, in: database) }
            return .written(before: before, after: after)
        }
    }

    public func deliveries(of id: ExportID, after: ExportID?, limit: Int) async throws -> DeliveryPage? {
        let limit = max(0, limit)
        return try await read { database in
            let isKnown = try Bool.fetchOne(
                database,
                sql: "SELECT TRUE FROM export WHERE id = ?",
                arguments: [id.description]
            )
            guard isKnown != nil else { return nil }
            // The empty text is less than every id.
            let found = try Row.fetchAll(
                database,
                sql: "SELECT * FROM delivery WHERE export_id = ? AND id > ? ORDER BY id LIMIT ?",
                arguments: [id.description, after?.description ?? "", limit + 1]
            )
            return DeliveryPage(
                deliveries: try found.prefix(limit).map(Delivery.init),
                hasMore: found.count > limit
            )
        }
    }
}

extension Delivery {
    /// The delivery as its row: every column.
    fileprivate var columns: [(name: String, value: (any DatabaseValueConvertible)?)] {
        [
            ("export_id", exportID.description),
            ("id", id.description),
            ("file_id", fileID),
            ("caller", caller),
            ("request_id", requestID),
            ("started_at", startedAt.milliseconds),
            ("ended_at", endedAt.milliseconds),
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
        self.init(
            id: id,
            exportID: exportID,
            fileID: row["file_id"],
            caller: row["caller"],
            requestID: row["request_id"],
            startedAt: Timestamp(milliseconds: row["started_at"]),
            endedAt: Timestamp(milliseconds: row["ended_at"]),
            coding: row["coding"],
            outcome: outcome
        )
        rangeFirst = row["range_first"]
        rangeLast = row["range_last"]
        bytesSent = row["bytes_sent"]
        fileBytes = row["file_bytes"]
        sha256 = row["sha256"]
        resumptions = row["resumptions"]
        reason = row["reason"]
    }
}
