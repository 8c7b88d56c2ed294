import ExportLedger
import Exports
import Synchronization
import TestLedger
import TestSupport

/// A ledger that does what a test wants with refresh tokens and reads: hold the work on them up, or refuse it.
final class StagedLedger: ExportLedger {
    struct State {
        var recordReads = 0
        /// What is done before a record is read, which goes on when the closure that it is given is called; what it throws is the
        /// ledger's failure.
        var beforeRecord: @Sendable (_ goOn: @escaping @Sendable () -> Void) throws -> Void = { $0() }
        /// What is done before a refresh token is read or written; what it throws is the ledger's failure.
        var beforeRead: @Sendable () async throws -> Void = {}
        var beforeWrite: @Sendable () async throws -> Void = {}
        /// What is done when a change of an export is written; what it throws is the ledger's failure, of which nobody knows whether the
        /// change is written.
        var afterUpdate: @Sendable (UpdateOutcome) throws -> Void = { _ in }
        /// What is done when a list comes to an export: whether it is known.
        var beforeList: @Sendable (ExportID, Bool) -> Void = { _, _ in }
        /// What is done when a start looks at all refresh tokens: everything unfinished has been read by then.
        var beforePage: @Sendable () async throws -> Void = {}
        /// What is done before exports of a status are purged; what it throws is the ledger's failure.
        var beforePurge: @Sendable (ExportStatus) throws -> Void = { _ in }
    }

    static let failure = LedgerError(.unavailable, "the disk is full")
    let ledger: SQLiteLedger
    let state = Mutex(State())
    /// The exports whose refresh tokens were asked for, and written, in the order of the beginnings.
    let tokenReads = Events<ExportID>()
    let tokenWrites = Events<ExportID>()

    init() throws { ledger = try .temporary() }

    func set(_ change: @Sendable (inout State) -> Void) { state.withLock { change(&$0) } }
    var reads: Int { tokenReads.all.count }
    var writes: Int { tokenWrites.all.count }
    var recordReads: Int { state.withLock { $0.recordReads } }

    func record(_ id: ExportID, then answer: @escaping RecordAnswer) {
        read(answer) { self.ledger.record(id, then: answer) }
    }

    func recordToUpdate(_ id: ExportID, then answer: @escaping RecordAnswer) {
        read(answer) { self.ledger.recordToUpdate(id, then: answer) }
    }

    private func read(_ answer: @escaping RecordAnswer, _ goOn: @escaping @Sendable () -> Void) {
        let before = state.withLock { state in
            state.recordReads += 1
            return state.beforeRecord
        }
        do {
            try before(goOn)
        } catch {
            answer(.failure(error))
        }
    }

    func refreshToken(of id: ExportID) async throws -> [UInt8]? {
        tokenReads.add(id)
        try await state.withLock { $0.beforeRead }()
        return try await ledger.refreshToken(of: id)
    }

    func updateRefreshToken(
        of id: ExportID,
        _ change: @escaping @Sendable (inout [UInt8]?) throws -> Void
    ) async throws -> Bool {
        tokenWrites.add(id)
        try await state.withLock { $0.beforeWrite }()
        return try await ledger.updateRefreshToken(of: id, change)
    }

    func refreshTokens(after: ExportID?, limit: Int) async throws -> [SealedRefreshToken] {
        try await state.withLock { $0.beforePage }()
        return try await ledger.refreshTokens(after: after, limit: limit)
    }

    // MARK: The rest is as always

    func check() async throws { try await ledger.check() }

    func impediment() async throws -> ServiceImpediment? { try await ledger.impediment() }

    func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?
    ) async throws -> InsertOutcome {
        try await ledger.insert(record, idempotency: idempotency, claimsSince: claimsSince, limit: limit)
    }

    func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?,
        then answer: @escaping InsertAnswer
    ) -> Bool {
        ledger.insert(record, idempotency: idempotency, claimsSince: claimsSince, limit: limit, then: answer)
    }

    func updateInMemory(
        _ id: ExportID,
        fence: Int64?,
        _ change: (inout LedgerRecord) -> Void
    ) -> UpdateOutcome? {
        ledger.updateInMemory(id, fence: fence, change)
    }

    func claimed(_ idempotency: Idempotency, by caller: String, claimsSince: Timestamp) async throws -> InsertOutcome? {
        try await ledger.claimed(idempotency, by: caller, claimsSince: claimsSince)
    }

    func takeOver(
        by owner: String,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage {
        try await ledger.takeOver(by: owner, after: after, limit: limit, change)
    }

    func changeUnfinished(_ change: @escaping @Sendable (inout LedgerRecord) -> Bool) async throws -> Int {
        try await ledger.changeUnfinished(change)
    }

    func update(
        _ id: ExportID,
        fence: Int64?,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        let outcome = try await ledger.update(id, fence: fence, change)
        try state.withLock { $0.afterUpdate }(outcome)
        return outcome
    }

    func insert(
        _ delivery: Delivery,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        try await ledger.insert(delivery, change)
    }

    func begin(_ delivery: Delivery) async throws -> Bool {
        try await ledger.begin(delivery)
    }

    func deliveries(of id: ExportID, ticket: ExportID, limit: Int) async throws -> [Delivery] {
        try await ledger.deliveries(of: id, ticket: ticket, limit: limit)
    }

    func claimMeasurement(
        at now: Timestamp,
        retryAt: Timestamp,
        besides running: Set<ExportID>
    ) async throws -> MeasurementClaim? {
        try await ledger.claimMeasurement(at: now, retryAt: retryAt, besides: running)
    }

    func setMeasurement(of id: ExportID, dueAt: Timestamp?, attempts: Int) async throws {
        try await ledger.setMeasurement(of: id, dueAt: dueAt, attempts: attempts)
    }

    func nextMeasurement(besides running: Set<ExportID>) async throws -> Timestamp? {
        try await ledger.nextMeasurement(besides: running)
    }

    func breakDeliveriesUnderWay(
        at time: Timestamp,
        reason: String,
        audit: DeliveryAudit?
    ) async throws -> Int {
        try await ledger.breakDeliveriesUnderWay(at: time, reason: reason, audit: audit)
    }

    func deliveries(
        of id: ExportID,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws -> DeliveryPage? {
        try await ledger.deliveries(of: id, requestID: requestID, after: after, limit: limit)
    }

    func exports(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        known: @escaping @Sendable (ExportID, Int64) -> ExportSnapshot?
    ) async throws -> ExportPage {
        let beforeList = state.withLock { $0.beforeList }
        return try await ledger.exports(matching: filter, before: before, limit: limit) { id, revision in
            let snapshot = known(id, revision)
            beforeList(id, snapshot != nil)
            return snapshot
        }
    }

    func events(after sequence: Int64, limit: Int) async throws -> [RecordedEvent] {
        try await ledger.events(after: sequence, limit: limit)
    }

    func eventRange() async throws -> ChangeRange { try await ledger.eventRange() }

    func claims(
        on upstreamIDs: [String],
        of provider: ProviderID,
        connection: String,
        except id: ExportID
    ) async throws -> OtherExports.Claims {
        try await ledger.claims(on: upstreamIDs, of: provider, connection: connection, except: id)
    }

    func expired(at time: Timestamp, limit: Int) async throws -> [ExportID] {
        try await ledger.expired(at: time, limit: limit)
    }

    func nextExpiry() async throws -> Timestamp? { try await ledger.nextExpiry() }
    func pruneClaims(before time: Timestamp) async throws { try await ledger.pruneClaims(before: time) }

    func tombstone(_ id: ExportID) async throws -> ExportTombstone? { try await ledger.tombstone(id) }

    func purge(
        _ id: ExportID,
        at now: Timestamp,
        claimsSince: Timestamp,
        audit: PurgeAudit?
    ) async throws -> PurgeOutcome {
        try await ledger.purge(id, at: now, claimsSince: claimsSince, audit: audit)
    }

    func purge(
        _ exports: EndedExports,
        at now: Timestamp,
        claimsSince: Timestamp,
        after place: EndedExports.Place?,
        limit: Int,
        audit: PurgeAudit?
    ) async throws -> PurgePage {
        try state.withLock { $0.beforePurge }(exports.status)
        return try await ledger.purge(
            exports,
            at: now,
            claimsSince: claimsSince,
            after: place,
            limit: limit,
            audit: audit
        )
    }

    func pruneChanges(before time: Timestamp, limit: Int) async throws -> Int {
        try await ledger.pruneChanges(before: time, limit: limit)
    }

    func pruneTombstones(before time: Timestamp, limit: Int) async throws -> Int {
        try await ledger.pruneTombstones(before: time, limit: limit)
    }

    func retainedExports() async throws -> Int { try await ledger.retainedExports() }
    func usage() async throws -> [String: Int64] { try await ledger.usage() }
    func reclaim(limit: Int) async throws -> Int { try await ledger.reclaim(limit: limit) }
}
