public import Exports
import GRDB

extension SQLiteLedger {
    public func takeOver(
        by owner: String,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage {
        let limit = max(1, limit)
        let (progress, records) = (progress, records)
        let (page, leftOut) = try await write { database -> (TakeOverPage, [UnreadableRow]) in
            // The empty text sorts before every id.
            let rows = try ExportRows(
                database.cachedStatement(
                    sql: """
                        \(ExportColumn.select(by: "export_unfinished"))
                        WHERE phase <> 'settled' AND id > ? AND lease_owner IS NOT ? ORDER BY id
                        """
                ),
                [after?.description ?? "", owner]
            )
            let found = try Self.page(rows, limit: limit, by: { $0[.id] }, Self.record)
            let items = try found.values.map { stored in
                let before = progress.current(stored)
                var after = before
                after.lease(to: owner)
                after.fence += 1
                change(&after)
                try records.write(after, over: stored, in: database)
                progress.isWritten(after.export.id)
                try Self.updateMeasurement(from: before, to: after, in: database)
                return TakeOverPage.Item(before: before, after: after)
            }
            let last = found.stoppedAt ?? found.values.last?.export.id
            return (TakeOverPage(items: items, next: found.hasMore ? last : nil), found.leftOut)
        }
        leftOut.forEach(unreadable.found)
        return page
    }

    public func changeUnfinished(_ change: @escaping @Sendable (inout LedgerRecord) -> Bool) async throws -> Int {
        let (progress, records) = (progress, records)
        let (count, leftOut) = try await write { database in
            let statement = try database.cachedStatement(sql: Self.unfinished)
            var (count, leftOut): (Int, [UnreadableRow]) = (0, [])
            // The empty text sorts before every id.
            var last: String? = ""
            while let after = last {
                let found = try Self.page(
                    ExportRows(statement, [after]),
                    limit: Self.unfinishedAtOnce,
                    by: { $0[.id] },
                    Self.record
                )
                for stored in found.values {
                    let before = progress.current(stored)
                    var after = before
                    after.fence += 1
                    after.leaseOwner = nil
                    if change(&after) { count += 1 }
                    try records.write(after, over: stored, in: database)
                    progress.isWritten(after.export.id)
                }
                leftOut += found.leftOut
                last = found.hasMore ? (found.stoppedAt ?? found.values.last?.export.id)?.description : nil
            }
            return (count, leftOut)
        }
        leftOut.forEach(unreadable.found)
        return count
    }

    /// How many unfinished exports are read into memory at once where all are changed.
    private static let unfinishedAtOnce = 500
    private static let unfinished =
        "\(ExportColumn.select(by: "export_unfinished")) WHERE phase <> 'settled' AND id > ? ORDER BY id"
}
