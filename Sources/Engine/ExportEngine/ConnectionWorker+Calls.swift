import ExportLedger
import Exports
import Logging

/// What all calls to an upstream share: their tokens, their places in the request budget, and what is done when one fails.
extension ConnectionWorker {
    /// The tokens for a call.
    struct Authorization: Sendable {
        /// The caller's token, if there is one.
        var value: Secret?
        /// The store of the export's refresh token.
        var refreshToken: KeptRefreshToken?
    }

    /// The tokens for a call. Nil when the caller's token is needed, and there is neither that nor a refresh token. The record
    /// then says so, and the export has been released.
    func authorization(for record: LedgerRecord, as kind: ConnectionWorkerState.Kind) async -> Authorization? {
        let id = record.export.id
        let store = refreshToken(of: record.export)
        let isKept: Bool
        do {
            isKept = try await store?.load() != nil
        } catch {
            // It is unknown whether the export can go on without its caller.
            postpone(id, as: kind, because: error)
            return nil
        }
        if case .granted(let token) = delegation.answer(.background(hasRefreshToken: isKept), on: record.export) {
            return Authorization(value: token, refreshToken: store)
        }
        guard let after = await begin(.authorizationMissing, for: record, as: kind) else { return nil }
        await finish(id, after)
        return nil
    }

    /// The store of an export's refresh token; nil where none are kept.
    func refreshToken(of export: Export) -> KeptRefreshToken? {
        connection.keepsRefreshTokens ? refreshTokens.store(for: export) : nil
    }

    func context(
        _ authorization: Authorization,
        _ priority: CallPriority,
        for export: Export?,
        patience: Duration? = nil
    ) -> CallContext {
        contexts.context(
            priority,
            for: export,
            authorization: authorization.value,
            refreshToken: authorization.refreshToken,
            patience: patience
        )
    }

    /// The context for a poll or a reconciliation. It is urgent where callers wait for it.
    func pollContext(
        _ authorization: Authorization,
        at records: [LedgerRecord],
        isAwaited: Bool,
        _ series: CallSeries
    ) -> CallContext {
        var context = context(
            authorization,
            isAwaited ? .caller : .poll,
            for: records.count == 1 ? records.first?.export : nil,
            patience: isAwaited ? settings.refreshWait : settings.budgetWait
        )
        // All exports of one poll share one place in the queue, and keep it even if the set of exports changes.
        let isTogether = life.capabilities.batchObserve && !connection.keepsRefreshTokens && !isAwaited
        if records.first?.phase == .tracking, records.count > 1 || isTogether {
            context.work = .polls(of: connection.name, key.provider)
            (context.caller, context.weight) = (nil, 1)
        }
        context.series = series
        return context
    }

    /// Records a refused token, before the record says that the export waits: the same token must not start the work again at
    /// once.
    func refuse(_ token: Authorization, of id: ExportID, after error: ProviderError) {
        guard let value = token.value, life.asksForAuthorization(error) else { return }
        callerTokens.refuse(value, for: id, at: time.now(), pause: settings.refusedTokenPause)
    }

    func log(_ error: ProviderError, _ what: Logger.Message, _ id: ExportID) {
        logger.info(
            what,
            metadata: [
                "export": "\(id)",
                "connection": "\(connection.name)",
                "error": "\(error.label)",
                "upstream-status": "\(error.upstream?.status.map(String.init) ?? "-")",
                "upstream-request-id": "\(error.upstream?.requestId ?? "-")",
            ]
        )
    }

    /// Releases an export until its place in the request budget comes. The upstream was not called. Nothing is written, unless
    /// the export's time is over, or so much of it was held back that it must be stored. A poll that a caller waited for is no
    /// longer urgent: it goes back to the ordinary polls at once, with its own due time. So a caller who asks again and again
    /// does not keep the export from being polled.
    func comeBack(
        _ record: LedgerRecord,
        as kind: ConnectionWorkerState.Kind,
        after error: ProviderError,
        isAwaited: Bool = false
    ) async {
        let id = record.export.id
        let now = time.now()
        let dueTime = record.dueTime(at: now)
        let held = sentBack(id, isDue: dueTime <= now)
        // An export that was taken over may have ended while no gateway ran: it is polled first.
        let mayEnd = hasBeenAsked(id)
        let isOverdue = mayEnd && life.isOverdue(record, at: now, held: held)
        if isOverdue || held.isToBeWritten(over: record.progress) {
            let after = await transitions.record(
                .heldBack(error, mayEnd: mayEnd),
                of: id,
                fence: record.fence,
                life,
                held: held
            )
            guard !isOverdue, after != nil else { return await finish(id, after) }
        }
        release(id, until: (kind, isAwaited ? dueTime : now + (error.retryAfter ?? .seconds(1))))
    }
}
