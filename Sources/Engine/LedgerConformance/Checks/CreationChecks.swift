import ExportLedger
import Exports

extension LedgerCase {
    private static let key = Idempotency(key: "k", fingerprint: "f")

    static let creations = [
        LedgerCase("a new export is there") { examination in
            let ledger = examination.ledger
            for record in [Sample.record(), Sample.full(Sample.id())] {
                examination.expect(try await ledger.add(record) == .created(record), "an insertion creates")
                examination.expect(try await ledger.record(record.export.id) == record, "every field comes back")
            }
            try await ledger.check()
            examination.expect(try await ledger.impediment() == nil, "nothing keeps it from being written")
        },
        LedgerCase("an unknown export is nowhere") { examination in
            let (ledger, id) = (examination.ledger, Sample.id())
            examination.expect(try await ledger.record(id) == nil, "it has no record")
            let update = try await ledger.update(id, fence: nil) { $0.fence += 1 }
            examination.expect(update == .notFound, "it is not found by an update")
            examination.expect(try await ledger.deliveries(of: id) == nil, "it has no deliveries")
            examination.expect(try await ledger.refreshToken(of: id) == nil, "it has no refresh token")
        },
        LedgerCase("an id is taken once") { examination in
            let record = Sample.record()
            _ = try await examination.ledger.add(record)
            var other = Sample.record(1)
            other.export.id = record.export.id
            await examination.expectError("a second export with the same id is refused", { _ in true }) {
                _ = try await examination.ledger.add(other)
            }
            examination.expect(try await examination.ledger.record(record.export.id) == record, "the first stays")
        },
        LedgerCase("the same request gives the same export") { examination in
            let (ledger, first, second) = (examination.ledger, Sample.record(), Sample.record(1))
            examination.expect(try await ledger.add(first, key) == .created(first), "the first request creates")
            examination.expect(try await ledger.add(second, key) == .replayed(first), "the second gets its export")
            examination.expect(try await ledger.record(second.export.id) == nil, "the second leaves no export behind")
            let claimed = try await ledger.claimed(key, by: "alice", claimsSince: Sample.since)
            examination.expect(claimed == .replayed(first), "the key leads to the export")
        },
        LedgerCase("an insertion without a task is like any other") { examination in
            let (ledger, first, second) = (examination.ledger, Sample.record(), Sample.record(1))
            // A ledger may have no such insertion.
            guard let outcome = try await ledger.addWithoutATask(first, key) else { return }
            examination.expect(outcome == .created(first), "it creates")
            examination.expect(try await ledger.record(first.export.id) == first, "every field comes back")
            examination.expect(
                try await ledger.addWithoutATask(second, key) == .replayed(first),
                "its key gives its export"
            )
            examination.expect(try await ledger.add(second, key) == .replayed(first), "also to an insertion by a task")
            let other = Idempotency(key: "k", fingerprint: "g")
            examination.expect(
                try await ledger.addWithoutATask(second, other) == .keyReused,
                "another request is refused"
            )
            await examination.expectError("an id that is taken is refused", { _ in true }) {
                _ = try await ledger.addWithoutATask(first)
            }
            examination.expect(try await ledger.all().count == 1, "nothing else is left behind")
        },
        LedgerCase("a key belongs to one request") { examination in
            let (ledger, other) = (examination.ledger, Idempotency(key: "k", fingerprint: "g"))
            _ = try await ledger.add(Sample.record(), key)
            examination.expect(try await ledger.add(Sample.record(1), other) == .keyReused, "another is refused")
            examination.expect(try await ledger.all().count == 1, "the refused one leaves no export behind")
            let claimed = try await ledger.claimed(other, by: "alice", claimsSince: Sample.since)
            examination.expect(claimed == .keyReused, "asking tells the same")
        },
        LedgerCase("a key belongs to one caller") { examination in
            let (ledger, bobs) = (examination.ledger, Sample.record(1, by: "bob"))
            _ = try await ledger.add(Sample.record(), key)
            let claimed = try await ledger.claimed(key, by: "bob", claimsSince: Sample.since)
            examination.expect(claimed == nil, "another caller's key is unknown")
            examination.expect(try await ledger.add(bobs, key) == .created(bobs), "another caller creates with it")
        },
        LedgerCase("old keys are pruned") { examination in
            let (ledger, second) = (examination.ledger, Sample.record(1))
            _ = try await ledger.add(Sample.record(), key)
            let late = try await ledger.claimed(key, by: "alice", claimsSince: Sample.time(1))
            examination.expect(late == nil, "a claim before the time counts as pruned")
            let again = try await ledger.insert(second, idempotency: key, claimsSince: Sample.time(1))
            examination.expect(again == .created(second), "the key can be used again")
            try await ledger.pruneClaims(before: Sample.time(1))
            let kept = try await ledger.claimed(key, by: "alice", claimsSince: Sample.since)
            examination.expect(kept == .replayed(second), "a claim of that time stays")
            try await ledger.pruneClaims(before: Sample.time(2))
            let pruned = try await ledger.claimed(key, by: "alice", claimsSince: Sample.since)
            examination.expect(pruned == nil, "a claim before the time is removed")
        },
        LedgerCase("of many at once one creates") { examination in
            let ledger = examination.ledger
            let outcomes = try await withThrowingTaskGroup(of: InsertOutcome.self) { group in
                for _ in 0..<50 { group.addTask { try await ledger.add(Sample.record(), key) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let exports = try await ledger.all()
            examination.expect(exports.count == 1, "one export is left")
            let created = outcomes.filter {
                if case .created(let record) = $0 { record.export == exports.first } else { false }
            }
            let replayed = outcomes.filter {
                if case .replayed(let record) = $0 { record.export == exports.first } else { false }
            }
            examination.expect(created.count == 1 && replayed.count == 49, "one creates and the others get its export")
        },
        LedgerCase("many at once are all there") { examination in
            let ledger = examination.ledger
            let records = (0..<50).map { Sample.record($0) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for record in records { group.addTask { _ = try await ledger.add(record) } }
                try await group.waitForAll()
            }
            examination.expect(try await Set(ledger.all().map(\.id)) == Set(records.map(\.export.id)), "none is lost")
        },
    ]
}
