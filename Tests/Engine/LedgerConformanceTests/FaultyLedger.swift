import ExportLedger
import Exports
import Synchronization
import Webhooks

/// A ledger with one fault, which the suite has to find.
final class FaultyLedger: ExportLedger {
    let ledger: SQLiteLedger
    let fault: LedgerFault?
    /// What was answered and is not written.
    private let unwritten = Mutex<[LedgerRecord]>([])
    let endedTokens = Mutex<[ExportID: [UInt8]]>([:])
    /// Events that are told and not written.
    let unwrittenEvents = Mutex<[RecordedEvent]>([])
    /// Exports whose changes were refused.
    let refused = Mutex<[LedgerRecord]>([])
    let polled = Mutex<[LedgerRecord]>([])
    /// The messages that were claimed last.
    let claimed = Mutex<[WebhookMessage]>([])
    /// What was read to be updated.
    private let toUpdate = Mutex<[ExportID: LedgerRecord]>([:])
    /// The export whose record was asked for last.
    private let asked = Mutex<ExportID?>(nil)

    init(_ ledger: SQLiteLedger, _ fault: LedgerFault?) {
        self.ledger = ledger
        self.fault = fault
    }

    func check() async throws { try await ledger.check() }
    func impediment() async throws -> ServiceImpediment? { try await ledger.impediment() }

    // MARK: Creations

    func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?,
        then answer: @escaping InsertAnswer
    ) -> Bool {
        let key = fault == .ignoresKeysWithoutATask ? nil : idempotency
        let limit = fault == .ignoresLimits ? nil : limit
        return ledger.insert(record, idempotency: key, claimsSince: claimsSince, limit: limit, then: answer)
    }

    func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?
    ) async throws -> InsertOutcome {
        var limit = limit
        var (key, since) = (idempotency, claimsSince)
        try await auditWithoutChange(record.auditEntry)
        switch fault {
        case .losesNewExports: return .created(record)
        case .answersBeforeTheCommit where key == nil:
            unwritten.withLock { $0.append(record) }
            return .created(record)
        case .cancelsInsertions: try Task.checkCancellation()
        case .ignoresKeys: key = nil
        case .ignoresLimits: limit = nil
        case .limitsAllCallersTogether, .refusesReplays:
            var filter = ExportFilter()
            if fault == .refusesReplays { filter.createdBy = record.export.createdBy }
            let stored = try await ledger.exports(matching: filter, before: nil, limit: 100).exports
            if let limit, let oldest = stored.last, stored.count >= limit.count {
                return .limitReached(oldest: oldest.id.createdAt)
            }
        case .ignoresFingerprints: key = key.map { Idempotency(key: $0.key, fingerprint: "") }
        case .keepsKeysForEver: since = Timestamp(milliseconds: 0)
        case .ignoresCancellation:
            let outcome = try await Task {
                try await self.ledger.insert(record, idempotency: idempotency, claimsSince: claimsSince, limit: nil)
            }
            .value
            try Task.checkCancellation()
            return outcome
        default: break
        }
        do {
            let outcome = try await ledger.insert(record, idempotency: key, claimsSince: since, limit: limit)
            if fault == .createsAgain, case .purged = outcome {
                return try await ledger.insert(record, idempotency: nil, claimsSince: since)
            }
            if fault == .leavesTheExportOfAReplay, case .replayed = outcome {
                _ = try await ledger.insert(record, idempotency: nil, claimsSince: since)
            }
            return outcome
        } catch let error as LedgerError where fault == .hidesTheFullDisk && error.impediment != nil {
            return .created(record)
        }
    }

    func claimed(_ idempotency: Idempotency, by caller: String, claimsSince: Timestamp) async throws -> InsertOutcome? {
        var (key, since, caller) = (idempotency, claimsSince, caller)
        if fault == .ignoresFingerprints { key = Idempotency(key: key.key, fingerprint: "") }
        if fault == .keepsKeysForEver { since = Timestamp(milliseconds: 0) }
        if fault == .sharesKeysBetweenCallers { caller = "alice" }
        return try await ledger.claimed(key, by: caller, claimsSince: since)
    }

    func pruneClaims(before time: Timestamp) async throws {
        try await ledger.pruneClaims(before: fault == .prunesTooMuch ? time + .seconds(1) : time)
    }

    // MARK: Records

    func record(_ id: ExportID, then answer: @escaping RecordAnswer) {
        if let record = unwritten.withLock({ $0.first { $0.export.id == id } }) { return answer(.success(record)) }
        let former = asked.withLock { asked in
            defer { asked = id }
            return asked
        }
        ledger.record(fault == .mixesReadsUp ? former ?? id : id) { [fault] result in
            answer(
                result.map { record in
                    var record = record
                    if fault == .losesAField { record?.progress.decision = nil }
                    if fault == .losesPolls { record?.progress.polls = 0 }
                    return record
                }
            )
        }
    }

    func recordToUpdate(_ id: ExportID, then answer: @escaping RecordAnswer) {
        ledger.recordToUpdate(id) { result in
            if let record = try? result.get() { self.toUpdate.withLock { $0[id] = record } }
            answer(result)
        }
    }

    func updateInMemory(
        _ id: ExportID,
        fence: Int64?,
        _ change: (inout LedgerRecord) -> Void
    ) -> UpdateOutcome? {
        guard let old = toUpdate.withLock({ $0[id] }) else { return nil }
        var new = old
        switch fault {
        case .losesUpdatesInMemory, .updatesOldRecordsInMemory:
            change(&new)
            return .written(before: old, after: new)
        case .keepsVisibleChangesInMemory:
            if let outcome = ledger.updateInMemory(id, fence: fence, change) { return outcome }
            change(&new)
            return .written(before: old, after: new)
        default: return ledger.updateInMemory(id, fence: fence, change)
        }
    }

    func takeOver(
        by owner: String,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage {
        let name = fault == .takesOverItsOwn ? owner + "2" : owner
        let isFenced = fault != .takesOverWithoutAFence
        let leavesTheEpoch = fault == .leavesTheEpoch
        if fault == .takesOverWhatIsSettled {
            for export in try await ledger.exports(matching: ExportFilter(), before: nil, limit: 100).exports
            where export.tracking == nil {
                _ = try await ledger.update(export.id, fence: nil) { $0.fence += 1 }
            }
        }
        return try await ledger.takeOver(by: name, after: after, limit: limit) { record in
            change(&record)
            if !isFenced { record.fence -= 1 }
            if leavesTheEpoch { record.leaseEpoch -= 1 }
        }
    }

    func changeUnfinished(_ change: @escaping @Sendable (inout LedgerRecord) -> Bool) async throws -> Int {
        switch fault {
        case .changesInPages:
            // A page that is written although the next one fails.
            let page = try await ledger.takeOver(by: "page", after: nil, limit: 2) { _ = change(&$0) }
            guard page.next == nil else { return try await ledger.changeUnfinished(change) }
            return page.items.count
        case .changesWithoutAFence:
            return try await ledger.changeUnfinished { record in
                record.fence -= 1
                return change(&record)
            }
        case .changesUnderTheFormerOwner:
            return try await ledger.changeUnfinished { record in
                if record.leaseEpoch > 0 { record.leaseOwner = "former" }
                return change(&record)
            }
        case .countsAllThatIsUnfinished:
            return try await ledger.changeUnfinished { record in
                _ = change(&record)
                return true
            }
        default: return try await ledger.changeUnfinished(change)
        }
    }

    func update(
        _ id: ExportID,
        fence: Int64?,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        var fence = fence
        if fault == .ignoresTheFence { fence = nil }
        if fault == .takesAnyNewFence, let wanted = fence, let present = try await ledger.record(id)?.fence,
            wanted > present
        {
            fence = nil
        }
        if fault == .losesUpdatesAtOnce {
            guard var record = try await ledger.record(id) else { return .notFound }
            change(&record)
            let wanted = record
            return try await ledger.update(id, fence: fence) { $0 = wanted }
        }
        let before = try await ledger.record(id)
        do {
            var outcome = try await ledger.update(id, fence: fence, auditing(change))
            if fault == .bindsAJobTwice, case .jobTaken = outcome, let before {
                var after = before
                change(&after)
                outcome = .written(before: before, after: after)
            }
            if case .written(let former, let after) = outcome {
                if fault == .tellsOfPolls, former.export.revision == after.export.revision {
                    polled.withLock { $0.append(after) }
                }
                if fault == .tellsTheFormerRecord { outcome = .written(before: former, after: former) }
                let token = before?.phase == .settled ? nil : [UInt8](repeating: 1, count: 1)
                if after.phase == .settled, let token { endedTokens.withLock { $0[id] = token } }
            }
            if fault == .writesEventsLater { try await takeAwayTheLastEvent() }
            return outcome
        } catch let error as LedgerError where fault == .changesWhatWasAskedFor && error.code == .corrupt {
            guard let before else { throw error }
            return .written(before: before, after: before)
        } catch let error as LedgerError where fault == .tellsOfRefusedChanges && error.impediment != nil {
            if let before { refused.withLock { $0.append(before) } }
            throw error
        } catch let error as LedgerError where fault == .hidesTheFullDisk && error.impediment != nil {
            guard let before else { throw error }
            return .written(before: before, after: before)
        }
    }

    func claims(
        on upstreamIDs: [String],
        of provider: ProviderID,
        connection: String,
        except id: ExportID
    ) async throws -> OtherExports.Claims {
        var claims = try await ledger.claims(on: upstreamIDs, of: provider, connection: connection, except: id)
        switch fault {
        case .losesUnconfirmedStarts: claims.unconfirmed = []
        case .losesEndedJobs: claims.boundIDs.remove("over")
        case .freesJobs: claims.boundIDs.remove("job")
        case .takesEveryConnectionForOne:
            let other = try await ledger.claims(on: upstreamIDs, of: provider, connection: "other", except: id)
            claims.boundIDs.formUnion(other.boundIDs)
        default: break
        }
        return claims
    }
}
