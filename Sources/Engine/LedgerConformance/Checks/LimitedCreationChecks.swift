import ExportLedger
import Exports

extension LedgerCase {
    private static let limit = CreationLimit(3, since: Sample.since)
    private static let key = Idempotency(key: "k", fingerprint: "f")

    static let limitedCreations = [
        LedgerCase("a caller creates as many as it may") { examination in
            let ledger = examination.ledger
            let records = (0..<3).map { Sample.record($0) }
            for (number, record) in records.enumerated() {
                let outcome = try await ledger.addLimited(record, number == 0 ? key : nil, limit)
                examination.expect(outcome == .created(record), "up to the limit they are created")
            }
            let other = Idempotency(key: "l", fingerprint: "f")
            for key in [nil, other] {
                let refused = Sample.record(3)
                examination.expect(
                    try await ledger.addLimited(refused, key, limit)
                        == .limitReached(oldest: records[0].export.id.createdAt),
                    "one more is refused, and the oldest is named"
                )
                examination.expect(try await ledger.record(refused.export.id) == nil, "it is not stored")
            }
            let claimed = try await ledger.claimed(other, by: "alice", claimsSince: Sample.since)
            examination.expect(claimed == nil, "a refused request leaves its key free")
            examination.expect(
                try await ledger.addLimited(Sample.record(3), key, limit) == .replayed(records[0]),
                "a replay is answered"
            )
            let bobs = Sample.record(3, by: "bob")
            examination.expect(
                try await ledger.addLimited(bobs, nil, limit) == .created(bobs),
                "another caller has a limit of its own"
            )
            let later = Sample.record(4)
            let moved = CreationLimit(3, since: Sample.time(1))
            examination.expect(
                try await ledger.addLimited(later, nil, moved) == .created(later),
                "an export before the time does not count any more"
            )
            let next = try await ledger.addLimited(Sample.record(5), nil, moved)
            examination.expect(
                next == .limitReached(oldest: records[1].export.id.createdAt),
                "the one that took its place does"
            )
        },
        LedgerCase("exports in every state count") { examination in
            let ledger = examination.ledger
            let ids = [try await ledger.id(of: Sample.record(0)), try await ledger.id(of: Sample.record(1))]
            _ = try await ledger.update(ids[0], fence: nil) { $0.export.status = .running }
            let limit = CreationLimit(2, since: Sample.since)
            examination.expect(
                try await ledger.addLimited(Sample.record(2), nil, limit) == .limitReached(oldest: ids[0].createdAt),
                "those that were created without a limit, and those that run, count"
            )
        },
        LedgerCase("no more are created than a caller may create at once") { examination in
            let ledger = examination.ledger
            let outcomes = try await withThrowingTaskGroup(of: InsertOutcome.self) { group in
                for number in 0..<40 {
                    let key = Idempotency(key: "k\(number / 2)", fingerprint: "f")
                    group.addTask {
                        try await ledger.addLimited(Sample.record(number), number < 20 ? key : nil, limit)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let created = outcomes.filter { if case .created = $0 { true } else { false } }
            examination.expect(created.count == 3, "as many as the limit are created")
            examination.expect(try await ledger.all().count == 3, "and no others are stored")
        },
    ]
}

extension ExportLedger {
    fileprivate func addLimited(
        _ record: LedgerRecord,
        _ key: Idempotency?,
        _ limit: CreationLimit
    ) async throws -> InsertOutcome {
        try await insert(record, idempotency: key, claimsSince: Sample.since, limit: limit)
    }
}
