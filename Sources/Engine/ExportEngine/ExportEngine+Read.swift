import ExportLedger
public import Exports
import Synchronization

extension ExportEngine {
    public func export(
        _ id: ExportID,
        for viewer: Viewer,
        refresh: Bool
    ) async throws(GatewayError) -> Export {
        // Without a token and without `refresh`, only the visible state counts.
        if !refresh, viewer.token == nil { return try await knownExport(id, for: viewer) }
        let known = try await knownRecord(id, for: viewer)
        let record = try await takeToken(of: viewer, for: known)
        if known.progress.awaitsAuthorization, !record.progress.awaitsAuthorization, worker(of: record.export) != nil {
            // This request makes the export go on, so its answer should have the outcome. Not every step is visible in the export.
            return try await waiting(on: id, until: time.now() + settings.authorizationWait) {
                $0.wasWorkedOn(since: record)
            }
            .export
        }
        guard refresh, record.phase == .tracking || record.startIsUnconfirmed, let worker = worker(of: record.export)
        else {
            return record.export
        }
        guard case .granted = worker.delegation.answer(.poll(viewer), on: record.export) else { return record.export }
        let refresh: ConnectionWorker.Refresh
        if let replica, !ownership.isMine(record.leaseOwner) {
            refresh = await refreshElsewhere(id, replica)
        } else {
            refresh = await worker.refresh(id, as: record.phase == .tracking ? .observation : .followUp)
        }
        var export = try await knownRecord(id, for: viewer).export
        if refresh == .late, export.revision == record.export.revision, !export.isFinal { export.stale = true }
        return export
    }

    public func export(
        _ id: ExportID,
        for viewer: Viewer,
        changedFrom revision: Int64,
        within timeout: Duration
    ) async throws(GatewayError) -> Export {
        let deadline = time.now() + timeout
        do {
            return try await changes.watching(id, beyond: revision) { signal in
                // Read after the watch has begun, so that every later change is notified.
                var export = try await knownExport(id, for: viewer)
                var isOver = false
                while export.revision == revision, !export.isFinal, !isOver, !changes.isClosed,
                    !Task.isCancelled, time.now() < deadline
                {
                    // The wait ends once, also if the clock is set back in the meantime.
                    isOver = await signal.wait(deadline: deadline, of: time)
                    if let news = changes.latest(of: id)?.record.export, news.revision >= export.revision {
                        export = news
                    }
                }
                return export
            }
        } catch let error as GatewayError {
            throw error
        } catch {
            throw Self.failedToWait(error)
        }
    }

    public func snapshot(of id: ExportID, for viewer: Viewer) -> ExportSnapshot? {
        snapshots.inMemory(id, for: viewer)
    }

    public func find(_ id: ExportID, for viewer: Viewer, then: @escaping @Sendable (ExportSnapshot?) -> Void) {
        snapshots.find(id) { snapshot in then(snapshot.flatMap { viewer.maySee($0.export) ? $0 : nil }) }
    }

    public func watch(
        _ id: ExportID,
        beyond revision: Int64,
        then: @escaping @Sendable (Export?) -> Void
    ) -> (any ExportWatch)? {
        let watch = changes.watch(id, beyond: revision, then: then)
        // The snapshot has all changes before the watch began, and every later change is notified.
        snapshots.find(id) { snapshot in
            if let export = snapshot?.export, export.revision > revision || export.isFinal { watch.tell(export) }
        }
        return watch
    }

    public func exports(
        matching filter: ExportFilter,
        for viewer: Viewer,
        before: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> ExportPage {
        let (snapshots, filter) = (snapshots, viewer.narrowed(filter))
        lastList.withLock { $0 = time.elapsed() }
        snapshots.beginList()
        defer { snapshots.endList() }
        var page = try await asking {
            try await self.ledger.exports(matching: filter, before: before, limit: limit) { id, revision in
                snapshots.known(id, revision: revision)
            }
        }
        page.snapshots = snapshots.listed(page.snapshots)
        return page
    }

    /// The record as soon as `isAwaited` holds, or as it is at `deadline`, when the engine stops, or when the task is
    /// cancelled. The ledger is read at the beginning, and again where it is not certain that a notified record is newer.
    func waiting(
        on id: ExportID,
        until deadline: Timestamp,
        _ isAwaited: (LedgerRecord) -> Bool
    ) async throws(GatewayError) -> LedgerRecord {
        do {
            return try await changes.watching(id) { signal in
                var record = try await knownRecord(id, for: .gateway)
                // Every later change has a higher order.
                var lastOrder = snapshots.orders.last
                var isOver = false
                while true {
                    if isAwaited(record) || changes.isClosed || Task.isCancelled || isOver
                        || time.now() >= deadline
                    {
                        return record
                    }
                    // The wait ends once, also if the clock is set back in the meantime.
                    isOver = await signal.wait(deadline: deadline, of: time)
                    if let latest = changes.latest(of: id), latest.order > lastOrder {
                        (record, lastOrder) = (latest.record, latest.order)
                    } else {
                        // The record may have been read before or after the change was committed, so it is read again.
                        record = try await knownRecord(id, for: .gateway)
                        lastOrder = snapshots.orders.last
                    }
                }
            }
        } catch let error as GatewayError {
            throw error
        } catch {
            throw Self.failedToWait(error)
        }
    }

    private static func failedToWait(_ error: any Error) -> GatewayError {
        GatewayError(.internalError, "The gateway failed to wait for the export.", cause: error)
    }

    /// Keeps the token that an export's owner brought. An export that waited for one goes on at once. A token that was refused a
    /// moment ago changes nothing: it would be refused again, and each attempt costs the upstream several calls.
    func takeToken(of viewer: Viewer, for record: LedgerRecord) async throws(GatewayError) -> LedgerRecord {
        let id = record.export.id
        guard viewer.owns(record.export), let token = viewer.token,
            record.phase != .settled || record.export.status.hasResult
        else { return record }
        let isNew = callerTokens.token(for: id) != token
        guard callerTokens.keep(token, for: id, at: time.now()), record.phase != .settled else { return record }
        // Read again: a task that did not find the token may have stored meanwhile that the export waits for it. For a token that
        // the worker could find, the ledger is not read twice for each request.
        let record = record.progress.awaitsAuthorization || !isNew ? record : try await knownRecord(id, for: viewer)
        if record.phase == .settled, !record.export.status.hasResult {
            callerTokens.remove(id)
            return record
        }
        // In the meantime, a task may have used the token already, and the upstream may have refused it.
        guard record.progress.awaitsAuthorization, callerTokens.token(for: id) == token,
            let worker = worker(of: record.export)
        else { return record }
        let after: LedgerRecord?
        do throws(GatewayError) {
            after = try await asking {
                try await self.transitions.apply(.authorizationArrived, to: id, fence: nil, worker.life)
            }
        } catch {
            // The request is answered with the known state. The export goes on when the ledger can be written.
            guard (error.cause as? LedgerError)?.impediment != nil else { throw error }
            return record
        }
        // The export may have been another replica's, which has no use for the token.
        if ownership.isShared, let after { worker.adopt(after) }
        worker.wake(id)
        return after ?? record
    }
}

extension LedgerRecord {
    /// Whether a step was taken since `earlier`: it shows in the export, or in the due time of the next one.
    fileprivate func wasWorkedOn(since earlier: LedgerRecord) -> Bool {
        if export.revision != earlier.export.revision || phase == .settled { return true }
        guard let next = nextActionAt else { return false }
        return earlier.nextActionAt.map { next > $0 } ?? true
    }
}
