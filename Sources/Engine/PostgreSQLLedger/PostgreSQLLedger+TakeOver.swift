public import ExportLedger
public import Exports
import PostgreSQL

extension PostgreSQLLedger {
    public func takeOver(
        by owner: String,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage {
        // The empty text sorts before every id.
        let place: [SQLValue] = [.text(owner), .text(after?.description ?? ""), .integer(Int64(max(1, limit)) + 1)]
        return try await takeOver(
            by: owner,
            limit: max(1, limit),
            candidates: SQLQuery(Self.others, place),
            change
        )
    }

    public func takeOver(
        for lease: HeldLease,
        only ids: [ExportID]?,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage {
        var values: [SQLValue] = [.text(lease.token), .text(after?.description ?? "")]
        values += [.text(lease.replica), .text(lease.name)]
        // Of ids that were asked for, all are taken over at once.
        values.append(ids.map { .textArray($0.map(\.description)) } ?? .integer(Int64(max(1, limit)) + 1))
        return try await takeOver(
            by: lease.token,
            of: lease,
            limit: ids == nil ? max(1, limit) : .max,
            candidates: SQLQuery(ids == nil ? Self.ofLease : Self.ofLeaseWithIDs, values),
            change
        )
    }

    public func takeOverUnconfigured(
        for lease: HeldLease,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage {
        let place: [SQLValue] = [
            .text(lease.replica), .text(after?.description ?? ""), .integer(Int64(max(1, limit)) + 1),
        ]
        return try await takeOver(
            by: lease.replica,
            of: lease,
            limit: max(1, limit),
            candidates: SQLQuery(Self.unconfigured, place),
            change
        )
    }

    private func takeOver(
        by owner: String,
        of lease: HeldLease? = nil,
        limit: Int,
        candidates: SQLQuery,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage {
        let empty: PendingWrite.Outcome<(TakeOverPage, [UnreadableRow])> = { _ in
            (TakeOverPage(items: [], next: nil), [])
        }
        let (page, leftOut) = try await write(.alone, WriteNeeds()) { transaction, _ in
            if let lease {
                // A claim of the lease waits until this transaction has ended.
                let held = try transaction.query(
                    SQLQuery(Self.held, [.text(lease.name), .text(lease.replica), .integer(lease.epoch)])
                )
                guard !held.isEmpty else { return empty }
            }
            let ids = try transaction.query(candidates).map { $0[0] as String }
            guard !ids.isEmpty else { return empty }
            // In the meantime another replica may have changed some, which are compared again.
            let locked = SQLQuery(
                lease == nil ? Self.lockOthers : Self.lockForLease,
                [.textArray(Array(ids.prefix(limit))), .text(owner)]
            )
            let found = try RowPage<LedgerRecord>(transaction.lock(locked)) { try $0.record() }
            let items = try found.values.map { before in
                var after = before
                after.lease(to: owner)
                after.fence += 1
                change(&after)
                try transaction.write(after, over: before)
                return TakeOverPage.Item(before: before, after: after)
            }
            let next = ids.count > limit ? ExportID(ids[limit - 1]) : nil
            return { _ in (TakeOverPage(items: items, next: next), found.leftOut) }
        }
        leftOut.forEach(unreadable.found)
        return page
    }

    public func changeUnfinished(_ change: @escaping @Sendable (inout LedgerRecord) -> Bool) async throws -> Int {
        let (count, leftOut) = try await write(.alone, WriteNeeds()) { transaction, _ in
            var (count, leftOut): (Int, [UnreadableRow]) = (0, [])
            // The empty text sorts before every id.
            var last: String? = ""
            while let after = last {
                let rows = try transaction.lock(
                    SQLQuery(Self.lockUnfinished, [.text(after), .integer(Int64(Self.unfinishedAtOnce))])
                )
                let found = try RowPage<LedgerRecord>(rows) { try $0.record() }
                for before in found.values {
                    var after = before
                    after.fence += 1
                    after.leaseOwner = nil
                    if change(&after) { count += 1 }
                    try transaction.write(after, over: before)
                }
                leftOut += found.leftOut
                last = rows.count == Self.unfinishedAtOnce ? rows.last.map { $0[.id] as String } : nil
                transaction.dropRecords()
            }
            let result = (count, leftOut)
            return { _ in result }
        }
        leftOut.forEach(unreadable.found)
        return count
    }

    /// How many unfinished exports are read into memory at once where all are changed.
    private static let unfinishedAtOnce = 500
    private static let lockUnfinished = SQLStatement(
        "\(ExportColumn.select) WHERE phase <> 'settled' AND export.id > $1 ORDER BY export.id LIMIT $2 FOR NO KEY UPDATE OF export"
    )
    private static let held: SQLStatement = """
        SELECT 1 FROM lease WHERE name = $1 AND owner = $2 AND epoch = $3
            AND EXISTS (SELECT 1 FROM replica WHERE replica.id = lease.owner AND replica.expires_at > clock_timestamp())
        FOR SHARE
        """
    private static let stillOthers =
        "\(ExportColumn.select) WHERE export.id = ANY($1::text[]) AND phase <> 'settled' AND lease_owner IS DISTINCT FROM $2"
    private static let locking = "ORDER BY export.id FOR NO KEY UPDATE OF export"
    private static let lockOthers = SQLStatement("\(stillOthers) \(locking)")
    private static let lockForLease = SQLStatement("\(stillOthers) \(notOfReplicas) \(locking)")
    private static let unfinished = """
        SELECT id FROM export WHERE phase <> 'settled' AND lease_owner IS DISTINCT FROM $1::text AND id > $2
        """
    private static let others = SQLStatement("\(unfinished) ORDER BY id LIMIT $3")
    /// Not those that a live replica works on alone.
    private static let notOfReplicas = """
        AND NOT EXISTS (
            SELECT 1 FROM replica WHERE replica.id = export.lease_owner AND replica.expires_at > clock_timestamp()
        )
        """
    private static let connections = """
        AND (provider, connection) IN (SELECT provider, connection FROM replica_connection WHERE replica = $3 AND lease = $4)
        """
    private static let ofLease = SQLStatement(
        "\(unfinished) \(notOfReplicas) \(connections) ORDER BY id LIMIT $5"
    )
    private static let ofLeaseWithIDs = SQLStatement(
        "\(unfinished) \(notOfReplicas) \(connections) AND id = ANY($5::text[]) ORDER BY id"
    )
    private static let unconfigured = SQLStatement(
        """
        \(unfinished) \(notOfReplicas) AND NOT EXISTS (
            SELECT 1 FROM replica_connection
            JOIN replica ON replica.id = replica_connection.replica AND replica.expires_at > clock_timestamp()
            WHERE replica_connection.provider = export.provider
                AND replica_connection.connection = export.connection
        ) ORDER BY id LIMIT $3
        """
    )
}
