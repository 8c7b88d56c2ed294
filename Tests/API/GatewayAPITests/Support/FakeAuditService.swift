import Audit
import Exports
import Synchronization

/// An audit trail in memory, without keys.
final class FakeAuditService: AuditService {
    struct State {
        var denials: [AuditDenial] = []
        var entries: [AuditEntry] = []
        /// In the order of the chain.
        var rows: [AuditRow] = []
        /// The numbers of rows that cannot be read.
        var unreadable: Set<Int64> = []
        var isBroken = false
    }

    let state = Mutex(State())

    /// Adds so many rows, of which every second one is a denial.
    func fill(_ count: Int) {
        state.withLock { state in
            for number in 1...count {
                let time = Timestamp(milliseconds: 1_780_000_000_000 + Int64(number) * 1000)
                var random = SystemRandomNumberGenerator()
                state.rows.append(
                    AuditRow(
                        sequence: Int64(number),
                        entry: AuditEntry(
                            id: ExportID(at: time, random: &random),
                            time: time,
                            action: number % 2 == 0 ? .deny : .create,
                            outcome: number % 2 == 0 ? .refused : .succeeded,
                            caller: "caller \(number % 3)"
                        ),
                        previous: AuditRow.noCode,
                        keyID: "k",
                        code: AuditRow.noCode
                    )
                )
            }
        }
    }

    func denied(_ denial: AuditDenial) { state.withLock { $0.denials.append(denial) } }

    func record(
        _ action: AuditAction,
        _ outcome: AuditOutcome,
        by origin: AuditOrigin,
        of exportID: ExportID?,
        _ details: [String: String?]
    ) async throws(GatewayError) {
        let isBroken = state.withLock { state in
            guard !state.isBroken else { return true }
            var random = SystemRandomNumberGenerator()
            let time = Timestamp(milliseconds: 1_780_000_000_000)
            state.entries.append(
                AuditEntry(
                    id: ExportID(at: time, random: &random),
                    time: time,
                    action: action,
                    outcome: outcome,
                    caller: origin.caller,
                    address: origin.address,
                    requestID: origin.requestID,
                    exportID: exportID,
                    details: details.compactMapValues { $0 }
                )
            )
            return false
        }
        if isBroken { throw GatewayError(.unavailable, "The gateway's ledger does not answer.") }
    }

    func rows(
        matching filter: AuditFilter,
        before place: AuditPlace?,
        limit: Int
    ) async throws(GatewayError) -> AuditPage {
        let all = state.withLock { $0.rows }.reversed()
            .filter { row in filter.contains(row) && place.map { row.sequence < $0.sequence } ?? true }
        let rows = Array(all.prefix(limit))
        return AuditPage(rows: rows, next: all.count > limit ? rows.last.map { AuditPlace(of: $0) } : nil)
    }

    func piece(
        after sequence: Int64,
        matching filter: AuditFilter,
        limit: Int
    ) async throws(GatewayError) -> AuditPiece {
        let (found, unreadable) = state.withLock { ($0.rows, $0.unreadable) }
        let all = found.filter {
            $0.sequence > sequence && filter.contains($0) && !unreadable.contains($0.sequence)
        }
        let rows = Array(all.prefix(limit))
        let next = all.count > limit ? rows.last?.sequence : nil
        let missing = unreadable.filter { $0 > sequence && $0 <= next ?? .max }
        return AuditPiece(rows: rows, next: next, unreadable: missing.sorted())
    }
}
