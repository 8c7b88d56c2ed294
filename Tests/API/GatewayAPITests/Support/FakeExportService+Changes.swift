import Exports
import Synchronization

extension FakeExportService {
    func changeRange() async throws(GatewayError) -> ChangeRange {
        if let failure = state.withLock({ $0.failure }) { throw failure }
        return state.withLock { state in
            ChangeRange(first: state.changes.first?.position, last: state.lastPosition)
        }
    }

    func changes(after position: Int64, limit: Int) async throws(GatewayError) -> ChangePage {
        if let failure = state.withLock({ $0.failure }) { throw failure }
        return state.withLock { state in
            state.changeReads += 1
            let page = state.changes.filter { $0.position > position }.prefix(limit)
            let readable = page.filter { !state.unreadable.contains($0.position) }
            return ChangePage(
                changes: readable,
                through: page.last?.position ?? position,
                hasMore: page.count == limit,
                isIncomplete: readable.count < page.count
            )
        }
    }

    func presentExport(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export {
        let export = try await export(id, for: viewer, refresh: false)
        passTime()
        return export
    }

    func export(after change: ExportChange) async throws(GatewayError) -> Export? {
        let (export, tombstone) = state.withLock { ($0.exports[change.exportID], $0.tombstones[change.exportID]) }
        if let tombstone { throw .purged(tombstone) }
        return export
    }

    func onChanges(_ tell: @escaping @Sendable () -> Void) -> ChangeObservation { news.observe(tell) }

    /// Deletes the oldest changes, up to a position.
    func prune(through position: Int64) { state.withLock { $0.changes.removeAll { $0.position <= position } } }
}

extension FakeExportService.State {
    /// Leaves a tombstone of an export that has ended.
    mutating func purge(_ export: Export, at now: Timestamp) {
        let tombstone = ExportTombstone(
            id: export.id,
            provider: export.provider,
            connection: export.connection,
            createdBy: export.createdBy,
            status: export.status,
            completedAt: export.completedAt ?? export.updatedAt,
            purgedAt: now
        )
        (exports[export.id], tombstones[export.id]) = (nil, tombstone)
        lastPosition += 1
        changes.append(ExportChange(position: lastPosition, purging: tombstone, revision: export.revision))
    }

    /// Stores that an export has got its present revision.
    mutating func changed(_ export: Export) {
        lastPosition += 1
        changes.append(ExportChange(position: lastPosition, export))
    }
}
