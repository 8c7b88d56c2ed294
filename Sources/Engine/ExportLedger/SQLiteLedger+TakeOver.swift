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
}
