import ExportLedger
import Exports
import Logging

/// What every part of the engine uses.
struct EngineTools: Sendable {
    let ledger: any ExportLedger
    let time: any TimeSource
    let settings: EngineSettings
    let random: @Sendable () -> UInt64
    /// The id of this engine, unique among all that ever worked on the ledger.
    let owner: String
    let logger: Logger
    let metrics: EngineMetrics
    let changes = ChangeHub()
    let snapshots: Snapshots
    let tokens = CallerTokens()
    let refreshTokens: RefreshTokens
    /// Fired when the time of the next expiry may have changed.
    let expiries = Signal()
    /// Fired when the engine stops: ends the take-over.
    let stops = Signal()
    /// Fired when files may be due for measuring.
    let measurements = Signal()

    /// Applies an event to a record in one transaction, and notifies all watchers.
    ///
    /// It is completed even when the task is cancelled: an upstream's answer must not be lost because the process is about to
    /// end. `held` is how long the request budget has held the export back; nil where the record has the newest value. Returns
    /// nil when the fence belongs to another owner, or the export is unknown.
    func apply(
        _ event: ExportLife.Event,
        to id: ExportID,
        fence: Int64?,
        _ life: ExportLife,
        held: HeldTime? = nil
    ) async throws -> LedgerRecord? {
        let now = time.now()
        let jitter = Double(random() >> 11) * 0x1p-53
        let (ledger, owner, order) = (ledger, owner, ChangeOrder(of: snapshots.orders))
        // A new task, because that does not inherit the cancellation. It is awaited here, and consists of one transaction.
        let write = Task {
            try await ledger.update(id, fence: fence) { record in
                life.apply(event, to: &record, at: now, jitter: jitter, held: held)
                // This engine now owns an export that was decided here. Otherwise it could be taken over in the middle of its start.
                if case .decided = event { record.lease(to: owner) }
                order.take()
            }
        }
        switch try await write.value {
        case .written(let before, let after):
            announce(after, since: before, order)
            return after
        case .stale:
            logger.debug("the export has another owner now", metadata: ["export": "\(id)"])
            return nil
        case .jobTaken(let owner):
            throw JobTaken(owner: owner)
        case .notFound:
            return nil
        }
    }

    /// Applies an event, and retries until the ledger stores it. Nil when the export has another owner, when its row cannot be
    /// read any more, or when the task is cancelled while the ledger fails.
    func record(
        _ event: ExportLife.Event,
        of id: ExportID,
        fence: Int64,
        _ life: ExportLife,
        held: HeldTime? = nil
    ) async -> LedgerRecord? {
        while true {
            do {
                return try await apply(event, to: id, fence: fence, life, held: held)
            } catch let error as JobTaken {
                logger.warning(
                    "the upstream named a job that belongs to another export",
                    metadata: ["export": "\(id)", "bound": "\(error.owner)"]
                )
                return await record(.of(event, refused: error), of: id, fence: fence, life, held: held)
            } catch let error as LedgerError where error.isAboutOneExport {
                return nil
            } catch {
                logger.error(
                    "the ledger cannot be written, trying again",
                    metadata: ["export": "\(id)", "error": "\(error)"]
                )
            }
            do { try await time.sleep(for: .seconds(1)) } catch { return nil }
        }
    }

    /// Stores that a delivery begins. False for an unknown export.
    func begin(_ delivery: Delivery) async throws -> Bool {
        let ledger = ledger
        // As in `apply`: a new task, which is awaited here.
        let write = Task { try await ledger.begin(delivery) }
        return try await write.value
    }

    /// Stores how a delivery ended, and its readings of the files, in one transaction. False for an unknown export.
    ///
    /// It is completed even when the task is cancelled, which it is when the caller has left.
    func keep(_ delivery: Delivery, _ life: @escaping @Sendable (Export) -> ExportLife) async throws -> Bool {
        let now = time.now()
        let (ledger, order) = (ledger, ChangeOrder(of: snapshots.orders))
        // As in `apply`: a new task, which is awaited here.
        let write = Task {
            try await ledger.insert(delivery) { record in
                life(record.export).apply(.delivered(delivery), to: &record, at: now, jitter: 0)
                order.take()
            }
        }
        guard case .written(let before, let after) = try await write.value else { return false }
        if after != before { announce(after, since: before, order) }
        return true
    }

    /// The context for one piece of work upstream, for one export, or with nil for many. A call that a caller's request waits for
    /// has no `refreshToken`. `patience` is the longest wait for a place in the request budget.
    func context(
        _ priority: CallPriority,
        for export: Export?,
        authorization: Secret?,
        downloadAuthorization: Secret? = nil,
        refreshToken: (any RefreshTokenStore)? = nil,
        patience: Duration? = nil
    ) -> CallContext {
        var context = CallContext(
            requestID: newID(at: time.now()).description,
            authorization: authorization,
            downloadAuthorization: downloadAuthorization,
            refreshToken: refreshToken
        )
        context.priority = priority
        context.caller = export?.createdBy
        context.weight = export.map { settings.weight(of: $0.createdBy) } ?? 1
        context.work = export.map { .export($0.id) }
        context.patience = patience
        return context
    }

    func newID(at now: Timestamp) -> ExportID {
        var generator = HandedRandom(next: random)
        return ExportID(at: now, random: &generator)
    }

    /// Notifies everything that follows changes that one was committed. `order` was taken in its transaction.
    func announce(_ after: LedgerRecord, since before: LedgerRecord, _ order: ChangeOrder) {
        let export = after.export
        // Before the watchers are notified, because they read the snapshot.
        snapshots.wrote(export, order: order.number)
        changes.wrote(after, order: order.number)
        if export.isFinal, !before.export.isFinal { metrics.finished(export.provider, export.status) }
        let isSettledNow = after.phase == .settled && before.phase != .settled
        // A success without files is not settled, because its files are polled for. But it can expire.
        if export.status.hasResult, !before.export.status.hasResult { expiries.fire() }
        if isSettledNow, export.status.hasResult { measurements.fire() }
        if after.phase != before.phase || export.status != before.export.status {
            logger.info(
                "export changed",
                metadata: [
                    "export": "\(export.id)",
                    "provider": "\(export.provider)",
                    "connection": "\(export.connection)",
                    "phase": "\(after.phase.rawValue)",
                    "status": "\(export.status.rawValue)",
                    "code": "\(export.error?.code.rawValue ?? export.notice?.code.rawValue ?? "-")",
                    "upstream-request-id": "\(export.error?.upstream?.requestId ?? "-")",
                ]
            )
        }
        if after.progress.resubmissions > before.progress.resubmissions {
            logger.notice(
                "the job is given up, and a new one will be started",
                metadata: [
                    "export": "\(export.id)",
                    "connection": "\(export.connection)",
                    // If the answer to a start already gives the job up, only the reason names the job.
                    "upstream-id": "\(before.reference?.id ?? "-")",
                    "reason": "\(export.notice?.detail ?? "-")",
                ]
            )
        }
        let isExpiredNow = export.status == .expired && before.export.status != .expired
        if isExpiredNow || (isSettledNow && !export.status.hasResult) { tokens.remove(export.id) }
    }
}

/// Thrown when another export is bound to the job that a change would bind.
struct JobTaken: Error {
    var owner: ExportID
}

extension ExportLife.Event {
    /// The event for an export when its job belongs to another export: its own start stays unconfirmed.
    fileprivate static func of(_ event: ExportLife.Event, refused error: JobTaken) -> ExportLife.Event {
        if case .reconciled = event { return .reconciled(nil) }
        return .submissionFailed(
            ProviderError(.accepted, "The upstream named a job that another export is bound to.", cause: error)
        )
    }
}

private struct HandedRandom: RandomNumberGenerator {
    let source: @Sendable () -> UInt64

    init(next source: @escaping @Sendable () -> UInt64) {
        self.source = source
    }

    func next() -> UInt64 { source() }
}
