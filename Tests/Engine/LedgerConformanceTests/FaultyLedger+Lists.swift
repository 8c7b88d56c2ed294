import ExportLedger
import Exports
import Synchronization

extension FaultyLedger {
    // MARK: Lists

    func exports(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        known: @escaping @Sendable (ExportID, Int64) -> ExportSnapshot?
    ) async throws -> ExportPage {
        var filter = filter
        let showsOldSnapshots = fault == .showsOldSnapshots
        if fault == .ignoresTheStatus { filter.status = nil }
        if fault == .ignoresTheCreator { filter.createdBy = nil }
        if fault == .includesTheEndOfTheTime {
            filter.createdBefore = filter.createdBefore.map { $0 + .milliseconds(1) }
        }
        var page = try await ledger.exports(
            matching: filter,
            before: before,
            limit: fault == .ignoresTheLimit ? limit + 1 : limit
        ) { id, revision in
            known(id, showsOldSnapshots ? 1 : revision)
        }
        switch fault {
        case .listsTheOldestFirst: page.snapshots.reverse()
        case .neverHasMore: page.hasMore = false
        case .includesTheLastOfThePage:
            if let before, let last = try await ledger.record(before)?.export {
                page.snapshots = Array(([ExportSnapshot(last)] + page.snapshots).prefix(limit))
            }
        case .listsWithoutPolls:
            page.snapshots = page.exports.map { export in
                var export = export
                export.observedAt = nil
                return ExportSnapshot(export)
            }
        default: break
        }
        return page
    }

    func expired(at time: Timestamp, limit: Int) async throws -> [ExportID] {
        if fault == .expiresAnything {
            let page = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 100)
            return page.exports.filter { $0.expiresAt.map { $0 <= time } ?? false }.map(\.id)
        }
        return try await ledger.expired(at: fault == .expiresEarly ? time + .seconds(1) : time, limit: limit)
    }

    func nextExpiry() async throws -> Timestamp? { try await ledger.nextExpiry() }

    // MARK: Deliveries

    func begin(_ delivery: Delivery) async throws -> Bool {
        var delivery = delivery
        if fault == .losesTickets { delivery.ticket = nil }
        let isWritten = try await ledger.begin(delivery)
        return isWritten || fault == .beginsForAnybody
    }

    func deliveries(of id: ExportID, ticket: ExportID, limit: Int) async throws -> [Delivery] {
        try await ledger.deliveries(of: id, ticket: ticket, limit: limit)
    }

    func insert(
        _ delivery: Delivery,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        let changesNothing = fault == .changesNoRecordAtTheEnd
        do {
            return try await ledger.insert(delivery) { record in
                if !changesNothing { change(&record) }
            }
        } catch let error as LedgerError {
            guard fault == .endsDeliveriesTwice else { throw error }
            return try await ledger.update(delivery.exportID, fence: nil, change)
        }
    }

    func breakDeliveriesUnderWay(
        at time: Timestamp,
        reason: String,
        audit: DeliveryAudit?
    ) async throws -> Int {
        guard fault != .breaksNothing else { return 1 }
        let audit = fault == .losesEntriesOfBrokenDeliveries ? nil : audit
        return try await ledger.breakDeliveriesUnderWay(at: time, reason: reason, audit: audit)
    }

    func deliveries(
        of id: ExportID,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws -> DeliveryPage? {
        try await ledger.deliveries(
            of: id,
            requestID: fault == .ignoresTheRequest ? nil : requestID,
            after: after,
            limit: limit
        )
    }

    // MARK: Measurements

    func claimMeasurement(
        at now: Timestamp,
        retryAt: Timestamp,
        besides running: Set<ExportID>
    ) async throws -> MeasurementClaim? {
        var running = running
        if fault == .measuresWhatRuns { running = [] }
        if fault == .measuresOutOfTurn,
            let last = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 100)
                .exports.first(where: \.status.hasResult)
        {
            running.insert(last.id)
        }
        var claim = try await ledger.claimMeasurement(at: now, retryAt: retryAt, besides: running)
        if fault == .countsNoAttempts { claim?.attempts = 1 }
        return claim
    }

    func setMeasurement(of id: ExportID, dueAt: Timestamp?, attempts: Int) async throws {
        try await ledger.setMeasurement(of: id, dueAt: dueAt, attempts: attempts)
    }

    func nextMeasurement(besides running: Set<ExportID>) async throws -> Timestamp? {
        try await ledger.nextMeasurement(besides: running)
    }

    // MARK: Refresh tokens

    func refreshToken(of id: ExportID) async throws -> [UInt8]? {
        let token = try await ledger.refreshToken(of: id)
        guard fault == .keepsTokensOfEndedExports else { return token }
        return token ?? endedTokens.withLock { $0[id] }
    }

    func updateRefreshToken(
        of id: ExportID,
        _ change: @escaping @Sendable (inout [UInt8]?) throws -> Void
    ) async throws -> Bool {
        if fault == .keepsWhatIsThrown {
            return try await ledger.updateRefreshToken(of: id) { try? change(&$0) }
        }
        let isKept = try await ledger.updateRefreshToken(of: id, change)
        return isKept || fault == .takesTokensOfEndedExports
    }

    func refreshTokens(after: ExportID?, limit: Int) async throws -> [SealedRefreshToken] {
        try await ledger.refreshTokens(after: after, limit: limit)
    }
}
