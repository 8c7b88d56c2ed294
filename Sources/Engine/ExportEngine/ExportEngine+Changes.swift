import ExportLedger
public import Exports

// What event streams and webhooks follow.
extension ExportEngine {
    public func changeRange() async throws(GatewayError) -> ChangeRange {
        try await asking { try await self.ledger.eventRange() }
    }

    public func changes(after position: Int64, limit: Int) async throws(GatewayError) -> ChangePage {
        let events = try await asking { try await self.ledger.events(after: position, limit: limit) }
        let changes = events.compactMap { event -> ExportChange? in
            if case .change(let change) = event { change } else { nil }
        }
        return ChangePage(
            changes: changes,
            through: events.last?.position ?? position,
            hasMore: events.count == limit,
            isIncomplete: changes.count < events.count
        )
    }

    /// Read from the ledger: a snapshot in memory gets a change only some time after its commit.
    public func presentExport(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export {
        try await knownRecord(id, for: viewer).export
    }

    public func export(after change: ExportChange) async throws(GatewayError) -> Export? {
        let id = change.exportID
        do throws(GatewayError) {
            let known = try await asking { try await self.snapshots.current(id) }
            if let known, known.export.revision >= change.revision { return known.export }
            // Another replica's change may be read here before it has come to the snapshots.
            let record = try await asking { try await self.ledger.record(id) }
            guard let record else {
                let absence = try await absence(of: id, for: .gateway)
                if absence.tombstone != nil { throw absence }
                return nil
            }
            snapshots.saw(record.export)
            return record.export
        } catch {
            guard (error.cause as? LedgerError)?.isAboutOneExport == true else { throw error }
            return nil
        }
    }

    public func onChanges(_ tell: @escaping @Sendable () -> Void) -> ChangeObservation { news.observe(tell) }
}
