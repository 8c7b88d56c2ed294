import ExportLedger
import Exports
import Synchronization

/// A ledger as a process sees it that is killed: after so many writes none succeeds, and nothing can be read.
///
/// `keepsLast` tells on which side of the last commit the process dies.
final class DyingLedger: ExportLedger {
    private let ledger: SQLiteLedger
    private let writesLeft: Mutex<Int>
    private let keepsLast: Bool

    init(_ ledger: SQLiteLedger, after writes: Int, keepsLast: Bool) {
        self.ledger = ledger
        writesLeft = Mutex(writes)
        self.keepsLast = keepsLast
    }

    var isDead: Bool { writesLeft.withLock { $0 < 0 } }

    private static let death = LedgerError(.unavailable, "the process is dead")

    private func write<T>(_ body: () async throws -> T) async throws -> T {
        let left = writesLeft.withLock { left in
            left -= 1
            return left
        }
        if left >= 0 { return try await body() }
        if left == -1 && keepsLast { _ = try await body() }
        throw Self.death
    }

    private func read<T>(_ body: () async throws -> T) async throws -> T {
        if isDead { throw Self.death }
        return try await body()
    }

    func check() async throws {
        if writesLeft.withLock({ $0 <= 0 }) { throw Self.death }
        try await ledger.check()
    }

    func impediment() async throws -> ServiceImpediment? { try await write { try await ledger.impediment() } }

    func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?
    ) async throws -> InsertOutcome {
        try await write {
            try await ledger.insert(record, idempotency: idempotency, claimsSince: claimsSince, limit: limit)
        }
    }

    func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?,
        then answer: @escaping InsertAnswer
    ) -> Bool {
        let left = writesLeft.withLock { left in
            left -= 1
            return left
        }
        let isKept = left >= 0 || (left == -1 && keepsLast)
        guard isKept else {
            answer(.failure(Self.death))
            return true
        }
        return ledger.insert(record, idempotency: idempotency, claimsSince: claimsSince, limit: limit) { outcome in
            answer(left >= 0 ? outcome : .failure(Self.death))
        }
    }

    func claimed(_ idempotency: Idempotency, by caller: String, claimsSince: Timestamp) async throws -> InsertOutcome? {
        try await read { try await ledger.claimed(idempotency, by: caller, claimsSince: claimsSince) }
    }

    func record(_ id: ExportID, then answer: @escaping RecordAnswer) {
        if isDead { return answer(.failure(Self.death)) }
        ledger.record(id, then: answer)
    }

    func recordToUpdate(_ id: ExportID, then answer: @escaping RecordAnswer) {
        if isDead { return answer(.failure(Self.death)) }
        ledger.recordToUpdate(id, then: answer)
    }

    func updateInMemory(
        _ id: ExportID,
        fence: Int64?,
        _ change: (inout LedgerRecord) -> Void
    ) -> UpdateOutcome? {
        // It is no write: a process that is killed loses it.
        isDead ? nil : ledger.updateInMemory(id, fence: fence, change)
    }

    func takeOver(
        by owner: String,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage {
        try await write { try await ledger.takeOver(by: owner, after: after, limit: limit, change) }
    }

    func changeUnfinished(_ change: @escaping @Sendable (inout LedgerRecord) -> Bool) async throws -> Int {
        try await write { try await ledger.changeUnfinished(change) }
    }

    func update(
        _ id: ExportID,
        fence: Int64?,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        try await write { try await ledger.update(id, fence: fence, change) }
    }

    func insert(
        _ delivery: Delivery,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        try await write { try await ledger.insert(delivery, change) }
    }

    func begin(_ delivery: Delivery) async throws -> Bool {
        try await write { try await ledger.begin(delivery) }
    }

    func deliveries(of id: ExportID, ticket: ExportID, limit: Int) async throws -> [Delivery] {
        try await ledger.deliveries(of: id, ticket: ticket, limit: limit)
    }

    func claimMeasurement(
        at now: Timestamp,
        retryAt: Timestamp,
        besides running: Set<ExportID>
    ) async throws -> MeasurementClaim? {
        try await write { try await ledger.claimMeasurement(at: now, retryAt: retryAt, besides: running) }
    }

    func setMeasurement(of id: ExportID, dueAt: Timestamp?, attempts: Int) async throws {
        try await write { try await ledger.setMeasurement(of: id, dueAt: dueAt, attempts: attempts) }
    }

    func nextMeasurement(besides running: Set<ExportID>) async throws -> Timestamp? {
        try await read { try await ledger.nextMeasurement(besides: running) }
    }

    func breakDeliveriesUnderWay(
        at time: Timestamp,
        reason: String,
        audit: DeliveryAudit?
    ) async throws -> Int {
        try await write { try await ledger.breakDeliveriesUnderWay(at: time, reason: reason, audit: audit) }
    }

    func deliveries(
        of id: ExportID,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws -> DeliveryPage? {
        try await read { try await ledger.deliveries(of: id, requestID: requestID, after: after, limit: limit) }
    }

    func exports(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        known: @escaping @Sendable (ExportID, Int64) -> ExportSnapshot?
    ) async throws -> ExportPage {
        try await read { try await ledger.exports(matching: filter, before: before, limit: limit, known: known) }
    }

    func events(after sequence: Int64, limit: Int) async throws -> [RecordedEvent] {
        try await read { try await ledger.events(after: sequence, limit: limit) }
    }

    func eventRange() async throws -> ChangeRange { try await read { try await ledger.eventRange() } }

    func claims(
        on upstreamIDs: [String],
        of provider: ProviderID,
        connection: String,
        except id: ExportID
    ) async throws -> OtherExports.Claims {
        try await read {
            try await ledger.claims(on: upstreamIDs, of: provider, connection: connection, except: id)
        }
    }

    func expired(at time: Timestamp, limit: Int) async throws -> [ExportID] {
        try await read { try await ledger.expired(at: time, limit: limit) }
    }

    func refreshToken(of id: ExportID) async throws -> [UInt8]? {
        try await read { try await ledger.refreshToken(of: id) }
    }

    func updateRefreshToken(
        of id: ExportID,
        _ change: @escaping @Sendable (inout [UInt8]?) throws -> Void
    ) async throws -> Bool {
        try await write { try await ledger.updateRefreshToken(of: id, change) }
    }

    func refreshTokens(after: ExportID?, limit: Int) async throws -> [SealedRefreshToken] {
        try await read { try await ledger.refreshTokens(after: after, limit: limit) }
    }

    func nextExpiry() async throws -> Timestamp? { try await read { try await ledger.nextExpiry() } }
    func pruneClaims(before time: Timestamp) async throws {
        try await read { try await ledger.pruneClaims(before: time) }
    }

    // MARK: Retention

    func tombstone(_ id: ExportID) async throws -> ExportTombstone? {
        try await read { try await ledger.tombstone(id) }
    }

    func purge(
        _ id: ExportID,
        at now: Timestamp,
        claimsSince: Timestamp,
        audit: PurgeAudit?
    ) async throws -> PurgeOutcome {
        try await write { try await ledger.purge(id, at: now, claimsSince: claimsSince, audit: audit) }
    }

    func purge(
        _ exports: EndedExports,
        at now: Timestamp,
        claimsSince: Timestamp,
        after place: EndedExports.Place?,
        limit: Int,
        audit: PurgeAudit?
    ) async throws -> PurgePage {
        try await write {
            try await ledger.purge(
                exports,
                at: now,
                claimsSince: claimsSince,
                after: place,
                limit: limit,
                audit: audit
            )
        }
    }

    func pruneChanges(before time: Timestamp, limit: Int) async throws -> Int {
        try await write { try await ledger.pruneChanges(before: time, limit: limit) }
    }

    func pruneTombstones(before time: Timestamp, limit: Int) async throws -> Int {
        try await write { try await ledger.pruneTombstones(before: time, limit: limit) }
    }

    func retainedExports() async throws -> Int { try await read { try await ledger.retainedExports() } }
    func usage() async throws -> [String: Int64] { try await read { try await ledger.usage() } }
    func reclaim(limit: Int) async throws -> Int { try await write { try await ledger.reclaim(limit: limit) } }
}
