import ExportLedger
import Exports
import Logging

// What other replicas change.
extension ExportEngine {
    /// The most changes that are read at once.
    private static let feedPageSize = 500
    /// How long one call waits for changes.
    private static let feedPatience = Duration.seconds(5)

    /// Follows what other replicas change, until the replica ends. While changes may be missed, the snapshots are not used: the ledger
    /// is read, and exports are shown as `stale`.
    func followChanges(of replica: Replica) async {
        while !replica.hasEnded, !Task.isCancelled {
            do {
                let changes = try await replica.ledger.nextChanges(
                    after: replica.feed.sequence ?? 0,
                    limit: Self.feedPageSize,
                    // Without a wait until everything was read that came since the position.
                    patience: replica.feed.isCurrent ? Self.feedPatience : .zero
                )
                try await apply(changes.events, replica)
                if !changes.events.isEmpty { news.tell() }
                replica.feed.applied(through: changes.through, isAll: !changes.hasMore, at: time.elapsed())
                if !changes.hasMore { snapshots.setCurrent(true) }
            } catch {
                if Task.isCancelled || replica.hasEnded { return }
                if replica.feed.isLost(at: time.elapsed()) {
                    logger.error(
                        "changes of other replicas may be missed: the ledger is read until they are caught up",
                        metadata: ["error": "\(error)"]
                    )
                }
                snapshots.setCurrent(false)
                // Ends at once when the replica ends, because this task is cancelled then.
                try? await time.sleep(for: .milliseconds(250))
            }
        }
    }

    /// Reads the exports that changed, as far as this replica is concerned with them, and announces their present state.
    private func apply(_ events: [RecordedEvent], _ replica: Replica) async throws {
        var ids: [ExportID] = []
        let purged = events.compactMap { event -> ExportID? in
            if case .change(let change) = event, change.isPurge { change.exportID } else { nil }
        }
        announcer.purged(purged)
        var seen = Set(purged)
        for case .change(let event) in events where concerns(event) && seen.insert(event.exportID).inserted {
            ids.append(event.exportID)
        }
        // An entry that cannot be read may be of any export, and one may stand for many that are not stored any more.
        let isUnreadable = events.contains { if case .unreadable = $0 { true } else { false } }
        if isUnreadable { snapshots.setCurrent(false) }
        guard !ids.isEmpty else { return }
        let records = try await records(ids)
        var new: [HeldLease: [ExportID]] = [:]
        for record in records {
            announcer.learned(record)
            guard let worker = worker(of: record.export) else { continue }
            let id = record.export.id
            if record.phase == .settled {
                if worker.has(id) { worker.wake(id) }
            } else if record.leaseOwner != nil, ownership.isMine(record.leaseOwner) {
                worker.adopt(record)
                worker.wake(id)
            } else if let lease = ownership.lease(of: worker.key) {
                new[lease, default: []].append(id)
            }
        }
        for (lease, ids) in new { try await takeOver(ids, of: lease, replica) }
    }

    /// Whether this replica has to know of a change: it shows the export, somebody waits for it, it works on it, or it may have to.
    private func concerns(_ event: ExportChange) -> Bool {
        let id = event.exportID
        return event.revision == 1 || snapshots.has(id) || changes.isWatched(id)
            || workers.values.contains { $0.has(id) }
    }

    private func records(_ ids: [ExportID]) async throws -> [LedgerRecord] {
        let ledger = ledger
        return try await withThrowingTaskGroup(of: LedgerRecord?.self) { group in
            for id in ids {
                group.addTask {
                    do {
                        return try await ledger.record(id)
                    } catch let error as LedgerError where error.isAboutOneExport {
                        // The ledger has set the row aside.
                        return nil
                    }
                }
            }
            return try await group.reduce(into: []) { if let record = $1 { $0.append(record) } }
        }
    }
}
