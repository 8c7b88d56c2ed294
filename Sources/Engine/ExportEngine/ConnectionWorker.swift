import ExportLedger
import Exports
import Logging
import Metrics
import Spans
import Synchronization

/// Does all work on one connection: takes what is due, calls the adapter, and stores the outcome.
final class ConnectionWorker: Sendable {
    let key: ConnectionKey
    let connection: EngineConnection
    let life: ExportLife
    let ledger: any ExportLedger
    let ownership: Ownership
    let transitions: Transitions
    let contexts: CallContexts
    let callerTokens: CallerTokens
    let refreshTokens: RefreshTokens
    let delegation: DelegatedAuthorization
    let time: any TimeSource
    let weights: CallerWeights
    let settings: EngineSettings
    let metrics: EngineMetrics
    let tracer: GatewayTracer
    let logger: Logger
    private let state: Mutex<ConnectionWorkerState>
    private let news = Signal()
    private let unfinished: Meter
    let starts = StartsUnderWay()
    private let pollLag: Metrics.Timer
    private let waiting: [ConnectionWorkerState.Kind: Meter]

    init(
        _ connection: EngineConnection,
        ledger: any ExportLedger,
        ownership: Ownership,
        transitions: Transitions,
        contexts: CallContexts,
        callerTokens: CallerTokens,
        refreshTokens: RefreshTokens,
        time: any TimeSource,
        weights: CallerWeights,
        settings: EngineSettings,
        metrics: EngineMetrics,
        tracer: GatewayTracer,
        logger: Logger
    ) {
        key = ConnectionKey(provider: connection.descriptor.id, name: connection.name)
        self.connection = connection
        life = ExportLife(
            capabilities: connection.descriptor.capabilities,
            ambiguousStart: connection.ambiguousStart,
            settings: settings
        )
        self.ledger = ledger
        self.ownership = ownership
        self.transitions = transitions
        self.contexts = contexts
        self.callerTokens = callerTokens
        self.refreshTokens = refreshTokens
        delegation = DelegatedAuthorization(
            isNeeded: connection.descriptor.capabilities.delegatedOnly,
            keepsRefreshTokens: connection.keepsRefreshTokens && refreshTokens.keys != nil,
            callerTokens: callerTokens
        )
        self.time = time
        self.weights = weights
        self.settings = settings
        self.metrics = metrics
        self.tracer = tracer
        self.logger = logger
        unfinished = metrics.unfinished(key)
        pollLag = metrics.pollLag(key)
        waiting = metrics.waiting(key)
        state = Mutex(
            ConnectionWorkerState(
                // A call can carry the refresh token of one export only.
                observesInBatches: connection.descriptor.capabilities.batchObserve && !connection.keepsRefreshTokens,
                callsAtOnce: max(1, settings.callsAtOnce),
                weight: { weights.weight(of: $0) }
            )
        )
    }

    // MARK: From outside

    /// Adopts an export that this engine owns by the record's fence.
    func adopt(_ record: LedgerRecord) {
        let next = next(of: record)
        let (count, isUrgent) = state.withLock { state in
            let id = record.export.id
            state.adopt(
                id,
                of: record.export.createdBy,
                fence: record.fence,
                owner: record.leaseOwner,
                kind: next.kind,
                at: next.time,
                held: HeldTime(record.progress)
            )
            // The export has changed since the record was read, so it is read again.
            let now = time.now()
            let isWoken = state.takeEarlyNews(of: id)
            if isWoken { state.wake(id, at: now) }
            return (state.entries.count, isWoken || next.kind != .submission || state.canStart(at: now))
        }
        unfinished.set(count)
        if isUrgent { news.fire() }
    }

    /// Records that exports are about to be taken over; `endTakeOver` must follow.
    func beginTakeOver() { state.withLock { $0.beginTakeOver() } }

    /// Records that everything that others left unfinished has been adopted.
    func endTakeOver() { state.withLock { $0.endTakeOver() } }

    /// Keeps the secrets of a start in memory, until the job has been started or the export has ended.
    func keep(_ secrets: [String: Secret], for id: ExportID) { state.withLock { $0.keep(secrets, for: id) } }

    /// Ends all work under an owner. `drained` is fired when no task works on an export of it any more.
    func revoke(_ owner: String, drained: Signal) {
        let (revoked, count) = state.withLock { ($0.revoke(owner, drained: drained), $0.entries.count) }
        unfinished.set(count)
        starts.giveUp(revoked.busy)
        for signal in revoked.waiting { signal.fire() }
        news.fire()
    }

    /// The kind of work that an early poll of an export would be; nil where none can be made.
    func refreshKind(of id: ExportID) -> ConnectionWorkerState.Kind? {
        state.withLock { state in
            state.entries[id].flatMap { $0.kind == .observation || $0.kind == .followUp ? $0.kind : nil }
        }
    }

    /// Whether this worker has an export.
    func has(_ id: ExportID) -> Bool { state.withLock { $0.entries[id] != nil } }

    /// Drops the secrets of an export that was not created.
    func dropSecrets(of id: ExportID) { state.withLock { $0.dropSecrets(of: id) } }

    /// Makes an export due at once.
    func wake(_ id: ExportID) {
        state.withLock { $0.wake(id, at: time.now()) }
        news.fire()
    }

    /// The outcome of a refresh.
    enum Refresh {
        /// No refresh is possible, or one was made a moment ago.
        case notMade
        /// The upstream was polled.
        case made
        /// The upstream has not answered within `refreshWait`, or the request budget had no place.
        case late
    }

    /// Polls the upstream for an export, and waits for the answer up to `refreshWait`.
    func refresh(_ id: ExportID, as kind: ConnectionWorkerState.Kind) async -> Refresh {
        let now = time.now()
        guard let signal = state.withLock({ $0.refresh(id, as: kind, at: now) }) else { return .notMade }
        news.fire()
        let isLate = await signal.wait(deadline: now + settings.refreshWait, of: time)
        if isLate || Task.isCancelled { state.withLock { $0.giveUp(signal, for: id) } }
        let wasSentBack = state.withLock { $0.entries[id]?.sentBackAt.map { $0 >= now } ?? false }
        return isLate || wasSentBack ? .late : .made
    }

    /// Ends `run` as soon as the outcomes of starts under way have been stored.
    func stop() {
        state.withLock { $0.isStopping = true }
        starts.stop()
        news.fire()
    }

    // MARK: The loop

    /// Works until the connection worker is stopped or the task is cancelled.
    func run() async {
        let count = state.withLock { state in
            state.startRunning()
            return state.entries.count
        }
        unfinished.set(count)
        await withDiscardingTaskGroup { submissions in
            await withDiscardingTaskGroup { others in
                while !Task.isCancelled, !state.withLock({ $0.isStopping }) {
                    let (work, next) = takeWork()
                    for lag in work.lags { pollLag.recordMilliseconds(lag.milliseconds) }
                    for id in work.submissions {
                        submissions.addTask { await self.work(.submission) { await self.submit(id) } }
                    }
                    for id in work.followUps {
                        others.addTask { await self.work(.followUp) { await self.runFollowUp(id) } }
                    }
                    for ids in work.observations {
                        others.addTask { await self.work(.observation) { await self.observe(ids) } }
                    }
                    for ids in work.refreshes {
                        others.addTask { await self.work(.refresh) { await self.observe(ids) } }
                    }
                    if work.isEmpty { await news.wait(until: next, of: time) }
                }
                others.cancelAll()
            }
        }
        for waiting in state.withLock({ $0.stopRunning() }) { waiting.fire() }
    }

    private func takeWork() -> (work: ConnectionWorkerState.Work, next: Timestamp?) {
        let (taken, counts) = state.withLock { state in
            let taken = state.takeWork(at: time.now())
            return (taken, waiting.keys.map { ($0, state.waiting($0)) })
        }
        for (kind, count) in counts { waiting[kind]?.set(count) }
        return taken
    }

    private func work(_ kind: ConnectionWorkerState.Kind, _ body: () async -> Void) async {
        await body()
        state.withLock { $0.workIsDone(kind) }
        news.fire()
    }

    // MARK: For the tasks

    func secrets(of id: ExportID) -> [String: Secret]? { state.withLock { $0.secrets(of: id) } }
    func fence(of id: ExportID) -> Int64? { state.withLock { $0.entries[id]?.fence } }
    func refresherCount(of id: ExportID) -> Int { state.withLock { $0.entries[id]?.refreshers.count ?? 0 } }
    func held(_ id: ExportID) -> HeldTime? { state.withLock { $0.heldTime(of: id, at: time.now()) } }
    func sentBack(_ id: ExportID, isDue: Bool) -> HeldTime {
        state.withLock { $0.sentBack(id, isDue: isDue, at: time.now()) }
    }
    func holdObservations(for wait: Duration) {
        let now = time.now()
        state.withLock { $0.holdObservations(until: now + wait, at: now) }
    }
    func wasAsked(_ id: ExportID, after wait: Duration) -> HeldTime {
        state.withLock { $0.wasAsked(id, after: wait, at: time.now()) }
    }
    func hasBeenAsked(_ id: ExportID) -> Bool { state.withLock { $0.entries[id]?.hasBeenAsked ?? false } }
    func holdStarts() { state.withLock { $0.holdStarts(at: time.now()) } }
    func startBegins() { state.withLock { $0.startBegins() } }
    func begin(of owner: String?) -> Double { state.withLock { $0.tokenTurns.begin(owner) } }
    func hadTurn(_ owner: String?, weight: Int, calls: Int) {
        state.withLock { $0.tokenTurns.served([(owner, weight)], cost: calls) }
    }
    func keepQuiet(_ id: ExportID, for pause: Duration) {
        state.withLock { $0.keepQuiet(id, for: pause, at: time.now()) }
    }

    /// The record, if it needs this kind of work now. Otherwise the export is released, and nil is returned.
    func prepare(_ id: ExportID, for kind: ConnectionWorkerState.Kind) async -> LedgerRecord? {
        let (fence, isRefresh) = state.withLock { ($0.entries[id]?.fence, $0.takeRefresh(id)) }
        let record: LedgerRecord?
        do {
            record = try await kind == .observation ? ledger.recordToUpdate(id) : ledger.record(id)
        } catch let error as LedgerError where error.isAboutOneExport {
            letGo(of: id)
            return nil
        } catch {
            postpone(id, as: kind, because: error)
            return nil
        }
        guard let record, let fence, record.fence == fence, record.phase != .settled,
            ownership.isMine(record.leaseOwner)
        else {
            letGo(of: id)
            return nil
        }
        let next = next(of: record)
        if next.kind != kind || (next.time > time.now() && !isRefresh) {
            release(id, until: next)
            return nil
        }
        return record
    }

    /// Releases an export after an event was stored. `record` is nil when the export does not belong to this engine any more.
    func finish(_ id: ExportID, _ record: LedgerRecord?) async {
        var record = record
        if let waiting = record, waiting.progress.awaitsAuthorization, callerTokens.token(for: id) != nil {
            // The token came before the record said that the export waits for it, so nothing was woken.
            record = await transitions.record(.authorizationArrived, of: id, fence: waiting.fence, life, held: held(id))
        }
        guard let record, record.phase != .settled else { return letGo(of: id) }
        if record.phase == .tracking || record.export.isFinal { dropSecrets(of: id) }
        // It has another owner now: this replica itself, because it has the token.
        if ownership.isShared, fence(of: id).map({ $0 != record.fence }) ?? false { adopt(record) }
        release(id, until: next(of: record))
    }

    /// Applies an event before any call was made. Releases the export if the ledger fails.
    func begin(_ event: ExportLife.Event, for record: LedgerRecord, as kind: ConnectionWorkerState.Kind) async
        -> LedgerRecord?
    {
        let id = record.export.id
        do {
            let after = try await transitions.apply(event, to: id, fence: record.fence, life, held: held(id))
            if after == nil { letGo(of: id) }
            return after
        } catch let error as LedgerError where error.isAboutOneExport {
            letGo(of: id)
            return nil
        } catch {
            postpone(id, as: kind, because: error)
            return nil
        }
    }

    func letGo(of id: ExportID) {
        refreshTokens.letGo(of: id)
        connection.leaveLine(.export(id))
        let (waiting, count) = state.withLock { ($0.remove(id, at: time.now()), $0.entries.count) }
        unfinished.set(count)
        for signal in waiting { signal.fire() }
    }

    /// The kind of work that a record needs next, and its due time.
    func next(of record: LedgerRecord) -> (kind: ConnectionWorkerState.Kind, time: Timestamp) {
        // An operator's decision wakes it.
        if record.isHeld { return (.followUp, time.now() + Self.heldWait) }
        let kind: ConnectionWorkerState.Kind =
            switch life.step(of: record) {
            case .submit: .submission
            case .observe: .observation
            case .reconcile, .cancel, .awaitAuthorization, .nothing: .followUp
            }
        return (kind, record.dueTime(at: time.now()))
    }

    /// How long a held export rests before its record is read again.
    private static let heldWait = Duration.seconds(86_400)

    func release(_ id: ExportID, until next: (kind: ConnectionWorkerState.Kind, time: Timestamp)) {
        let waiting = state.withLock { $0.release(id, until: next, at: time.now()) }
        for signal in waiting { signal.fire() }
    }

    func postpone(_ id: ExportID, as kind: ConnectionWorkerState.Kind, because error: any Error) {
        if !Task.isCancelled {
            logger.error("a ledger operation failed", metadata: ["export": "\(id)", "error": "\(error)"])
        }
        release(id, until: (kind, time.now() + .seconds(5)))
    }
}
