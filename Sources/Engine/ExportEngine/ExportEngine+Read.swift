import ExportLedger
public import Exports

extension ExportEngine {
    public func export(
        _ id: ExportID,
        owner: String? = nil,
        refresh: Bool,
        authorization: CallerAuthorization
    ) async throws(GatewayError) -> Export {
        // Without a token and without `refresh`, only the visible state counts.
        if !refresh, authorization.token == nil { return try await knownExport(id, owner: owner) }
        let known = try await knownRecord(id, owner: owner)
        let record = try await takeToken(of: authorization, for: known)
        if known.progress.awaitsAuthorization, !record.progress.awaitsAuthorization, worker(of: record.export) != nil {
            // This request makes the export go on, so its answer should have the outcome. Not every step is visible in the export.
            return try await waiting(on: id, until: tools.time.now() + tools.settings.authorizationWait) {
                $0.wasWorkedOn(since: record)
            }
            .export
        }
        guard refresh, record.phase == .tracking || record.startIsUnconfirmed, let worker = worker(of: record.export)
        else {
            return record.export
        }
        // No caller acts with another caller's token.
        guard !worker.life.isOthers(record.export, authorization) else { return record.export }
        // A stored refresh token is only for work in the background. A caller's request does not use it.
        if worker.refreshToken(of: record.export) != nil, tools.tokens.token(for: id) == nil { return record.export }
        let refresh = await worker.refresh(id, as: record.phase == .tracking ? .observation : .followUp)
        var export = try await knownRecord(id).export
        if refresh == .late, export.revision == record.export.revision, !export.isFinal { export.stale = true }
        return export
    }

    public func export(
        _ id: ExportID,
        owner: String? = nil,
        changedFrom revision: Int64,
        within timeout: Duration
    ) async throws(GatewayError) -> Export {
        let deadline = tools.time.now() + timeout
        do {
            return try await tools.changes.watching(id, beyond: revision) { signal in
                // Read after the watch has begun, so that every later change is notified.
                var export = try await knownExport(id, owner: owner)
                var isOver = false
                while export.revision == revision, !export.isFinal, !isOver, !tools.changes.isClosed,
                    !Task.isCancelled, tools.time.now() < deadline
                {
                    // The wait ends once, also if the clock is set back in the meantime.
                    isOver = await signal.wait(until: deadline, of: tools.time)
                    if let news = tools.changes.latest(of: id)?.record.export, news.revision >= export.revision {
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

    public func snapshot(of id: ExportID, owner: String? = nil) -> ExportSnapshot? {
        tools.snapshots.inMemory(id, owner: owner)
    }

    public func find(_ id: ExportID, owner: String?, then: @escaping @Sendable (ExportSnapshot?) -> Void) {
        tools.snapshots.find(id) { snapshot in
            then(snapshot.flatMap { owner == nil || $0.export.createdBy == owner ? $0 : nil })
        }
    }

    public func watch(
        _ id: ExportID,
        beyond revision: Int64,
        then: @escaping @Sendable (Export?) -> Void
    ) -> (any ExportWatch)? {
        let watch = tools.changes.watch(id, beyond: revision, then: then)
        // The snapshot has all changes before the watch began, and every later change is notified.
        tools.snapshots.find(id) { snapshot in
            if let export = snapshot?.export, export.revision > revision || export.isFinal { watch.tell(export) }
        }
        return watch
    }

    public func exports(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> ExportPage {
        let snapshots = tools.snapshots
        snapshots.beginList()
        defer { snapshots.endList() }
        var page = try await asking {
            try await self.tools.ledger.exports(matching: filter, before: before, limit: limit) { id, revision in
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
            return try await tools.changes.watching(id) { signal in
                var record = try await knownRecord(id)
                // Every later change has a higher order.
                var lastOrder = tools.snapshots.orders.last
                var isOver = false
                while true {
                    if isAwaited(record) || tools.changes.isClosed || Task.isCancelled || isOver
                        || tools.time.now() >= deadline
                    {
                        return record
                    }
                    // The wait ends once, also if the clock is set back in the meantime.
                    isOver = await signal.wait(until: deadline, of: tools.time)
                    if let latest = tools.changes.latest(of: id), latest.order > lastOrder {
                        (record, lastOrder) = (latest.record, latest.order)
                    } else {
                        // The record may have been read before or after the change was committed, so it is read again.
                        record = try await knownRecord(id)
                        lastOrder = tools.snapshots.orders.last
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
    func takeToken(
        of authorization: CallerAuthorization,
        for record: LedgerRecord
    ) async throws(GatewayError) -> LedgerRecord {
        guard authorization.isOwner(of: record.export) else { return record }
        return try await takeToken(authorization.token, for: record)
    }

    /// Keeps the token that the export's owner brought.
    func takeToken(_ token: Secret?, for record: LedgerRecord) async throws(GatewayError) -> LedgerRecord {
        let id = record.export.id
        guard let token, record.phase != .settled || record.export.status.hasResult else { return record }
        let isNew = tools.tokens.token(for: id) != token
        guard tools.tokens.keep(token, for: id, at: tools.time.now()), record.phase != .settled else { return record }
        // Read again: a task that did not find the token may have stored meanwhile that the export waits for it. For a token that
        // the worker could find, the ledger is not read twice for each request.
        let record = record.progress.awaitsAuthorization || !isNew ? record : try await knownRecord(id)
        if record.phase == .settled, !record.export.status.hasResult {
            tools.tokens.remove(id)
            return record
        }
        // In the meantime, a task may have used the token already, and the upstream may have refused it.
        guard record.progress.awaitsAuthorization, tools.tokens.token(for: id) == token,
            let worker = worker(of: record.export)
        else { return record }
        let after: LedgerRecord?
        do throws(GatewayError) {
            after = try await asking {
                try await self.tools.apply(.authorizationArrived, to: id, fence: nil, worker.life)
            }
        } catch {
            // The request is answered with the known state. The export goes on when the ledger can be written.
            guard (error.cause as? LedgerError)?.impediment != nil else { throw error }
            return record
        }
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
