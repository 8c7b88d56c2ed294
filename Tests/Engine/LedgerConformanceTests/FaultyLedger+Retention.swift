@testable import ExportLedger
import Exports
import GRDB

extension FaultyLedger {
    func tombstone(_ id: ExportID) async throws -> ExportTombstone? {
        fault == .losesTombstones ? nil : try await ledger.tombstone(id)
    }

    func purge(
        _ id: ExportID,
        at now: Timestamp,
        claimsSince: Timestamp,
        audit: PurgeAudit?
    ) async throws -> PurgeOutcome {
        try await removeObstacles()
        let audit = fault == .losesAuditEntries ? nil : audit
        let outcome = try await ledger.purge(id, at: now, claimsSince: since(claimsSince), audit: audit)
        if fault == .purgesTwice, case .gone(let tombstone) = outcome { return .purged(tombstone) }
        return outcome
    }

    func purge(
        _ exports: EndedExports,
        at now: Timestamp,
        claimsSince: Timestamp,
        after place: EndedExports.Place?,
        limit: Int,
        audit: PurgeAudit?
    ) async throws -> PurgePage {
        try await removeObstacles()
        var exports = exports
        if fault == .purgesTooEarly { exports.before = exports.before + .seconds(1) }
        if fault == .purgesLater { return try await answerWithoutPurging(exports, at: now, limit) }
        return try await ledger.purge(
            exports,
            at: now,
            claimsSince: since(claimsSince),
            after: fault == .purgesTheFirstAgain ? nil : place,
            limit: fault == .ignoresTheLimitOfPurges ? limit + 1 : limit,
            audit: audit
        )
    }

    private func since(_ claimsSince: Timestamp) -> Timestamp {
        fault == .losesKeysWhenPurging ? claimsSince + .seconds(86_400) : claimsSince
    }

    /// Does away with what stands in the way, where the fault does not look at it.
    private func removeObstacles() async throws {
        let statement: String? =
            switch fault {
            case .purgesWhatIsRetained: "UPDATE export SET retained_at = NULL"
            case .purgesDuringDeliveries: "UPDATE delivery SET outcome = 'broken' WHERE outcome = 'underWay'"
            case .purgesBeforeWebhooks: "UPDATE webhook SET position = 1000000"
            default: nil
            }
        guard let statement else { return }
        try await ledger.database.write { try $0.execute(sql: statement) }
    }

    /// As if the exports were to be deleted in a later transaction.
    private func answerWithoutPurging(
        _ exports: EndedExports,
        at now: Timestamp,
        _ limit: Int
    ) async throws -> PurgePage {
        var page = PurgePage()
        let all = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 100).exports
        for export in all.filter({ exports.contains($0) }).prefix(limit) {
            if let record = try await ledger.record(export.id) { page.purged.append(record.tombstone(at: now)) }
        }
        return page
    }

    func pruneChanges(before time: Timestamp, limit: Int) async throws -> Int {
        switch fault {
        case .prunesChangesTooEarly: return try await ledger.pruneChanges(before: time + .seconds(1), limit: limit)
        case .prunesWhatWebhooksNeed, .takesEachChangesOwnTime:
            let isStrict = fault == .takesEachChangesOwnTime
            return try await ledger.database.write { database in
                let condition = isStrict ? "time < ? AND sequence < 2" : "time < ?"
                try database.execute(
                    sql: "DELETE FROM export_event WHERE \(condition)",
                    arguments: [time.milliseconds]
                )
                return database.changesCount
            }
        default: return try await ledger.pruneChanges(before: time, limit: limit)
        }
    }

    func pruneTombstones(before time: Timestamp, limit: Int) async throws -> Int {
        let limit = fault == .ignoresTheLimitOfTombstones ? 100 : limit
        guard fault == .prunesTombstonesTooEarly else {
            return try await ledger.pruneTombstones(before: time, limit: limit)
        }
        return try await ledger.database.write { database in
            try database.execute(sql: "DELETE FROM export_tombstone WHERE time < ?", arguments: [time.milliseconds])
            return database.changesCount
        }
    }

    func retainedExports() async throws -> Int {
        fault == .countsNothingRetained ? 0 : try await ledger.retainedExports()
    }

    func usage() async throws -> [String: Int64] { try await ledger.usage() }
    func reclaim(limit: Int) async throws -> Int { try await ledger.reclaim(limit: limit) }
}
