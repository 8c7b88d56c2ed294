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
        let (page, leftOut) = try await writeAlone { database -> (TakeOverPage, [UnreadableRow]) in
            // The empty text is less than every id.
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT * FROM export INDEXED BY export_unfinished
                    WHERE phase <> 'settled' AND id > ? AND lease_owner IS NOT ? ORDER BY id
                    """,
                arguments: [after?.description ?? "", owner]
            )
            let found = try Self.page(rows, limit: limit, Self.record)
            let items = try found.values.map { before in
                var after = before
                after.leaseOwner = owner
                after.fence += 1
                change(&after)
                _ = try Self.update(after, fence: before.fence, in: database)
                try Self.updateMeasurement(from: before, to: after, in: database)
                return TakeOverPage.Item(before: before, after: after)
            }
            return (TakeOverPage(items: items, next: found.hasMore ? found.values.last?.export.id : nil), found.leftOut)
        }
        leftOut.forEach(unreadable.found)
        return page
    }
}
