import ExportLedger
import Exports

extension ExportEngine {
    /// Deletes rows of the audit trail that are older than `age`. Where another process seals at this moment, they are looked
    /// at again after a rest, a few times in a row.
    func trim(_ audit: EngineAudit, after age: Duration, _ clock: inout SteadyClock) async throws {
        var attempts = 0
        try await repeatedly(&clock) { now in
            switch try await audit.trim(now + (.zero - age), Self.rows) {
            case .deleted(let count, _):
                retentionMetrics.deletedAuditRows(count)
                attempts = 0
                return count
            case .locked:
                attempts += 1
                return attempts < Self.busyAttempts ? Self.rows : 0
            case .nothing, .undecided, .refused: return 0
            }
        }
    }
}
