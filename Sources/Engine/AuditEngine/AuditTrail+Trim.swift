import Audit
public import ExportLedger
public import Exports
import Logging
import Synchronization

// Deleting the oldest rows.
extension AuditTrail {
    /// Deletes the oldest sealed rows: those before `time`. It looks at `limit` rows, and at more where these have times in the
    /// future. Where they are not as the gateway has left them, nothing is deleted; that is counted each time, and logged once.
    /// The row about the deletion is counted, and told to the sinks, as those that are sealed.
    public func trim(before time: Timestamp, limit: Int) async throws -> AuditTrimOutcome {
        await turns.take()
        defer { turns.pass() }
        do {
            var outcome = try await trimOnce(before: time, limit: limit)
            if outcome == .undecided {
                outcome = try await trimOnce(before: time, limit: max(limit, Self.mostAhead))
            }
            // Where another process seals, it is not known.
            if outcome != .locked { report(isAhead: outcome == .undecided) }
            switch outcome {
            case .refused(let finding): refused(finding)
            case .deleted(_, let rows):
                refusal.withLock { $0 = nil }
                var batch = AuditChain.Batch()
                batch.rows = rows
                try await report(batch)
            case .nothing, .undecided: refusal.withLock { $0 = nil }
            case .locked: break
            }
            return outcome
        } catch let error as LedgerError where error.row != nil {
            let finding = AuditFinding(kind: .unreadable, sequence: nil, detail: error.detail)
            refused(finding)
            return .refused(finding)
        }
    }

    /// So many rows are looked at where the oldest have times in the future.
    static let mostAhead = 10_000

    private func trimOnce(before end: Timestamp, limit: Int) async throws -> AuditTrimOutcome {
        let (keys, random, now) = (keys, random, time.now())
        return try await store.trimAudit(limit: limit) { oldest in
            var chain = AuditChain(
                after: oldest.head,
                key: keys.key,
                olderKeys: keys.others,
                at: now,
                random: random
            )
            return chain.trim(oldest, before: end)
        }
    }

    private func report(isAhead: Bool) {
        let wasAhead = self.isAhead.withLock { former in
            defer { former = isAhead }
            return former
        }
        guard isAhead, !wasAhead else { return }
        logger.warning(
            "no rows of the audit trail are deleted: the oldest have times in the future",
            metadata: ["rows": "\(Self.mostAhead)"]
        )
    }

    private func refused(_ finding: AuditFinding) {
        metrics.isTampered()
        let isNew = refusal.withLock { former in
            defer { former = finding }
            return former != finding
        }
        guard isNew else { return }
        logger.error("no rows of the audit trail are deleted: they were changed", metadata: finding.metadata)
    }
}
