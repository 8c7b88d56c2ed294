import ExportLedger
import Exports
import Logging
import Spans

/// Applies events to records, each as one atomic change of the ledger, and has the change announced.
final class Transitions: Sendable {
    private let ledger: any ExportLedger
    private let time: any TimeSource
    private let random: Randomness
    private let ownership: Ownership
    private let announcer: ChangeAnnouncer
    private let tracer: GatewayTracer
    private let audit: EngineAudit?
    private let logger: Logger

    init(
        ledger: any ExportLedger,
        time: any TimeSource,
        random: Randomness,
        ownership: Ownership,
        announcer: ChangeAnnouncer,
        tracer: GatewayTracer,
        audit: EngineAudit?,
        logger: Logger
    ) {
        self.ledger = ledger
        self.time = time
        self.random = random
        self.ownership = ownership
        self.announcer = announcer
        self.tracer = tracer
        self.audit = audit
        self.logger = logger
    }

    /// Applies an event to a record in one atomic change, and notifies all watchers. An entry of the audit trail that `audit` makes is
    /// stored in the same change.
    ///
    /// It is completed even when the task is cancelled: an upstream's answer must not be lost because the process is about to
    /// end. `held` is how long the request budget has held the export back; nil where the record has the newest value. Returns
    /// nil when the fence belongs to another owner, or the export is unknown.
    func apply(
        _ event: ExportLife.Event,
        to id: ExportID,
        fence: Int64?,
        _ life: ExportLife,
        held: HeldTime? = nil,
        audit: RecordAudit? = nil
    ) async throws -> LedgerRecord? {
        let now = time.now()
        let jitter = random.jitter()
        let (ledger, ownership, order) = (ledger, ownership, announcer.newOrder())
        let change: @Sendable (inout LedgerRecord) -> Void = { record in
            let before = audit.map { ($0, record) }
            life.apply(event, to: &record, at: now, jitter: jitter, held: held)
            if let owner = ownership.newOwner(of: record, after: event), owner != record.leaseOwner {
                record.lease(to: owner)
                // Excludes the replica that owned it.
                if ownership.isShared { record.fence += 1 }
            }
            if let (audit, before) = before { record.auditEntry = audit(before, record) }
            order.take()
        }
        // Most polls change nothing that has to be written.
        if case .written(let before, let after)? = ledger.updateInMemory(id, fence: fence, change) {
            announcer.announce(after, since: before, order)
            return after
        }
        let commit = tracer.commit(to: ledger)
        defer { commit?.end() }
        // A new task, because that does not inherit the cancellation. It is awaited here, and consists of one transaction.
        let write = Task { try await ledger.update(id, fence: fence, change) }
        switch try await write.value {
        case .written(let before, let after):
            announcer.announce(after, since: before, order)
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
                return try await apply(event, to: id, fence: fence, life, held: held, audit: recordAudit(of: event))
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

    /// What the gateway records about the outcome of a call, by itself; nil where nothing.
    private func recordAudit(of event: ExportLife.Event) -> RecordAudit? {
        guard case .cancelFailed = event else { return nil }
        return audit?.cancelRefused
    }

    /// Stores how a delivery ended, its readings of the files, and its entry of the audit trail, in one transaction. False for an unknown
    /// export.
    ///
    /// It is completed even when the task is cancelled, which it is when the caller has left.
    func end(
        _ delivery: Delivery,
        audit: EngineAudit?,
        _ life: @escaping @Sendable (Export) -> ExportLife
    ) async throws -> Bool {
        let now = time.now()
        let (ledger, order) = (ledger, announcer.newOrder())
        let entry = audit?.ended(delivery)
        // As in `apply`: a new task, which is awaited here.
        let write = Task {
            try await ledger.insert(delivery) { record in
                life(record.export).apply(.delivered(delivery), to: &record, at: now, jitter: 0)
                record.auditEntry = entry
                order.take()
            }
        }
        guard case .written(let before, let after) = try await write.value else { return false }
        if after != before { announcer.announce(after, since: before, order) }
        return true
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

extension Ownership {
    /// The owner that an event gives to an export; nil where it keeps its owner.
    fileprivate func newOwner(of record: LedgerRecord, after event: ExportLife.Event) -> String? {
        switch event {
        // This engine owns an export that was decided here. Otherwise it could be taken over in the middle of its start, and a
        // replica that has let go of it would not learn that it begins again.
        case .decided: owner(of: ConnectionKey(provider: record.export.provider, name: record.export.connection)) ?? own
        // The token is in the memory of this replica only.
        case .authorizationArrived where isShared && !isMine(record.leaseOwner): own
        default: nil
        }
    }
}
