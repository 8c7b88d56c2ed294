import ExportLedger
import Exports
import Logging

extension ConnectionWorker {
    /// Starts an export upstream. The ledger is written before the first byte is sent, and after the answer.
    func submit(_ id: ExportID) async {
        guard let record = await prepare(id, for: .submission),
            let token = await authorization(for: record, as: .submission)
        else { return }
        let secrets = secrets(of: id)
        let start = StartUnderWay(record: record, secretsInMemory: secrets != nil, worker: self)
        if record.plan.needsSecrets, secrets == nil {
            guard let ended = await begin(start.event, for: record, as: .submission) else { return }
            return await finish(id, ended)
        }
        var context = context(token, .start, for: record.export, patience: settings.budgetWait)
        context.willStart = { () async throws(ProviderError) in
            self.startBegins()
            try await start.begin()
        }
        context.didNotStart = { await start.didNotStart() }
        // When a token was refused, the repeated call belongs to the same series: it comes before starts that have not begun.
        context.series = CallSeries()
        let (provider, work) = (connection.provider, context)
        let event: ExportLife.Event
        do {
            let submission = try await starts.untilStopped(start) { () async throws(ProviderError) in
                try await provider.submit(record.plan, secrets: secrets ?? [:], marker: record.marker, context: work)
            }
            metrics.submission(key.provider, nil)
            event = .submitted(submission)
        } catch {
            switch start.refusal {
            case nil: break
            case .withdrawn, .stopped: return letGo(of: id)
            case .ledger(let error): return postpone(id, as: .submission, because: error)
            }
            if error.isOwnWait { holdStarts() } else { metrics.submission(key.provider, error) }
            if Task.isCancelled, error.code == .ambiguous {
                // The call was cancelled after it had begun. The ledger says `submitting`, and the gateway looks for the job when
                // it is started again.
                logger.notice("the gateway stopped while it started an export", metadata: ["export": "\(id)"])
                return letGo(of: id)
            }
            log(error, error.isOwnWait ? "the start waits for the request budget" : "the start failed", id)
            refuse(token, of: id, after: error)
            event = .submissionFailed(error)
        }
        await finish(id, transitions.record(event, of: id, fence: start.fence, life, held: held(id)))
    }

    /// Does the follow-up of an export: what is neither a start nor a poll.
    func runFollowUp(_ id: ExportID) async {
        guard let record = await prepare(id, for: .followUp) else { return }
        switch life.step(of: record) {
        case .awaitAuthorization:
            guard let after = await begin(.authorizationMissing, for: record, as: .followUp) else { return }
            await finish(id, after)
        case .reconcile: await reconcile(record)
        case .cancel: await cancel(record)
        case .submit, .observe, .nothing: release(id, until: next(of: record))
        }
    }

    private func reconcile(_ record: LedgerRecord) async {
        let id = record.export.id
        guard life.capabilities.reconcile else {
            guard let after = await begin(.resumed, for: record, as: .followUp) else { return }
            return await finish(id, after)
        }
        guard let token = await authorization(for: record, as: .followUp) else { return }
        let series = CallSeries()
        let event: ExportLife.Event
        do {
            event = .reconciled(
                try await connection.provider.reconcile(
                    record.plan,
                    marker: record.marker,
                    others: others(than: record.export),
                    context: pollContext(token, at: [record], isAwaited: refresherCount(of: id) > 0, series)
                )
            )
        } catch {
            if Task.isCancelled { return letGo(of: id) }
            if error.isOwnWait { return await comeBack(record, as: .followUp, after: error) }
            if error.code == .ambiguous {
                logger.warning(
                    "the job of an export cannot be determined: an operator has to decide with PUT /exports/{id}/submission",
                    metadata: ["export": "\(id)", "connection": "\(connection.name)", "reason": "\(error.detail)"]
                )
            } else {
                log(error, "looking for the job failed", id)
            }
            refuse(token, of: id, after: error)
            event = .reconcileFailed(error)
        }
        keepQuiet(id, for: max(life.capabilities.minimumPollInterval, settings.reconcileDelay))
        let held = wasAsked(id, after: series.waited)
        await finish(id, transitions.record(event, of: id, fence: record.fence, life, held: held))
    }

    private func cancel(_ record: LedgerRecord) async {
        let id = record.export.id
        guard let reference = record.reference, let token = await authorization(for: record, as: .followUp) else {
            return
        }
        let event: ExportLife.Event
        do {
            try await connection.provider.cancel(reference, context: context(token, .caller, for: record.export))
            event = .canceledUpstream
        } catch {
            if Task.isCancelled { return letGo(of: id) }
            if error.isOwnWait { return await comeBack(record, as: .followUp, after: error) }
            log(error, "canceling failed", id)
            refuse(token, of: id, after: error)
            event = .cancelFailed(error)
        }
        await finish(id, transitions.record(event, of: id, fence: record.fence, life, held: held(id)))
    }

    /// Exports that are polled together.
    private struct Together: Hashable {
        var token: Secret?
        /// Whether callers wait for them. Other exports must not be polled in their class.
        var isAwaited: Bool
    }

    private struct Group {
        var token: Authorization
        private(set) var records: [LedgerRecord] = []
        private(set) var owners: [String: CallerShare] = [:]

        init(token: Authorization) { self.token = token }

        mutating func add(_ record: LedgerRecord, weight: (String) -> Int) {
            records.append(record)
            let caller = record.export.createdBy
            if owners[caller] == nil { owners[caller] = CallerShare(caller, weight: weight(caller)) }
        }

        /// The caller whose turn it takes; nil for the application's own token, which is for all callers.
        var turn: (owner: String?, weight: Int) {
            (token.value == nil ? nil : records.first?.export.createdBy, owners.values.reduce(0) { $0 + $1.weight })
        }
    }

    /// Polls exports, with one call for all that share a token. Only callers' own tokens are not shared. Where refresh tokens
    /// are kept, `ids` is one export. Tokens take turns by the weights of their callers, and otherwise in the order of `ids`:
    /// the first one takes the place that the request budget has.
    func observe(_ ids: [ExportID]) async {
        var groups: [Together: Group] = [:]
        var order: [Together] = []
        for id in ids {
            guard let record = await prepare(id, for: .observation),
                let token = await authorization(for: record, as: .observation)
            else { continue }
            let key = Together(token: token.value, isAwaited: refresherCount(of: id) > 0)
            if groups[key] == nil { order.append(key) }
            groups[key, default: Group(token: token)].add(record, weight: settings.weight(of:))
        }
        let begins = order.map { groups[$0].map { begin(of: $0.turn.owner) } ?? 0 }
        let turns = order.indices.sorted { one, other in
            let (first, second) = (order[one], order[other])
            if first.isAwaited != second.isAwaited { return first.isAwaited }
            return (begins[one], one) < (begins[other], other)
        }
        let end = time.elapsed() + life.capabilities.minimumPollInterval
        for key in turns.map({ order[$0] }) {
            guard let group = groups[key] else { continue }
            let rest = max(.zero, end - time.elapsed())
            let calls = await observe(group, isAwaited: key.isAwaited, within: rest)
            // Where each export has a call of its own, no other caller waits for this one.
            if calls > 0, life.capabilities.batchObserve {
                hadTurn(group.turn.owner, weight: group.turn.weight, calls: calls)
            }
        }
    }

    /// Polls a group. Returns how many calls were made for it.
    private func observe(_ group: Group, isAwaited: Bool, within limit: Duration) async -> Int {
        let (records, token) = (group.records, group.token)
        let series = CallSeries()
        var context = pollContext(token, at: records, isAwaited: isAwaited, series)
        // Two exports can share a job, where an adapter took over the job that prevented a start.
        var references: [UpstreamReference] = []
        for record in records {
            guard let reference = record.reference, let share = group.owners[record.export.createdBy] else { continue }
            if context.owners[reference] == nil { references.append(reference) }
            context.owners[reference, default: []].append(share)
        }
        if references.count > 1 { context.roundLimit = limit }
        let answers = await connection.provider.observe(references, context: context)
        var wasAsked = false
        for record in records {
            let id = record.export.id
            let answer = record.reference.flatMap { answers[$0] } ?? .failure(Self.noAnswer)
            var pause = life.capabilities.minimumPollInterval
            let event: ExportLife.Event
            switch answer {
            case .success(let observation):
                metrics.poll(key.provider, nil)
                event = .observed(observation)
            case .failure(let error):
                if Task.isCancelled {
                    letGo(of: id)
                    continue
                }
                if error.isOwnWait {
                    let wait = error.retryAfter ?? .seconds(1)
                    // Exports that become due in the meantime are polled with the same call.
                    if !isAwaited, wait > .zero { holdObservations(for: wait) }
                    await comeBack(record, as: .observation, after: error, isAwaited: isAwaited)
                    continue
                }
                metrics.poll(key.provider, error)
                log(error, "polling failed", id)
                refuse(token, of: id, after: error)
                pause = max(pause, error.retryAfter ?? .zero)
                event = .observationFailed(error)
            }
            wasAsked = true
            keepQuiet(id, for: pause)
            let held = self.wasAsked(id, after: series.waited)
            await finish(id, transitions.record(event, of: id, fence: record.fence, life, held: held))
        }
        return wasAsked ? max(1, series.count) : series.count
    }

    // MARK: Callers' tokens

    /// The tokens for a call.
    private struct Authorization: Sendable {
        /// The caller's token, if there is one.
        var value: Secret?
        /// The store of the export's refresh token.
        var refreshToken: KeptRefreshToken?
    }

    /// The tokens for a call. Nil when the caller's token is needed, and there is neither that nor a refresh token. The record
    /// then says so, and the export has been released.
    private func authorization(for record: LedgerRecord, as kind: ConnectionWorkerState.Kind) async -> Authorization? {
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

    private func others(than export: Export) -> OtherExports {
        let (ledger, key) = (ledger, key)
        return OtherExports { upstreamIDs in
            try await ledger.claims(on: upstreamIDs, of: key.provider, connection: key.name, except: export.id)
        }
    }

    private func context(
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
    private func pollContext(
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
    private func refuse(_ token: Authorization, of id: ExportID, after error: ProviderError) {
        guard let value = token.value, life.asksForAuthorization(error) else { return }
        callerTokens.refuse(value, for: id, at: time.now(), pause: settings.refusedTokenPause)
    }

    private func log(_ error: ProviderError, _ what: Logger.Message, _ id: ExportID) {
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
    private func comeBack(
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

    private static let noAnswer = ProviderError(.transient, "The adapter returned no state of the job.")
}
