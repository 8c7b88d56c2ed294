import ExportLedger
import Exports
import Synchronization

extension LedgerCase {
    static let unfinished = [
        LedgerCase("all that is unfinished is changed at once") { examination in
            let ledger = examination.ledger
            // More than the ledgers read at once.
            var records = (0..<1_100).map { Sample.record($0) }
            records[1] = Sample.tracked(1)
            records[2].phase = .settled
            records[3].phase = .submitting
            records[1].lease(to: "former")
            records[3].lease(to: "former")
            for record in records.shuffled() { _ = try await ledger.add(record) }
            // Polled since it was stored.
            _ = try await ledger.update(records[1].export.id, fence: nil) { $0.progress.polls = 3 }
            records[1].progress.polls = 3
            // A ledger keeps less of an export that has ended.
            records[2] = try await ledger.record(records[2].export.id) ?? records[2]
            let seen = Mutex<[ExportID]>([])
            let count = try await ledger.changeUnfinished { record in
                seen.withLock { $0.append(record.export.id) }
                record.progress.decision = "changed"
                if record.phase != .tracking { record.export.revision += 1 }
                return record.phase == .accepted
            }
            examination.expect(count == 1_097, "those are counted of which the change says so, but \(count) were")
            let unfinished = records.filter { $0.phase != .settled }
            examination.expect(
                seen.withLock { Array($0.suffix(unfinished.count)) } == unfinished.map(\.export.id),
                "all that are not settled, oldest first"
            )
            for record in records.prefix(5) + records.suffix(2) {
                var after = record
                if record.phase != .settled {
                    after.fence += 1
                    after.leaseOwner = nil
                    after.progress.decision = "changed"
                    if record.phase != .tracking { after.export.revision += 1 }
                }
                examination.expect(
                    try await ledger.record(record.export.id) == after,
                    "\(record.phase) is as it should be"
                )
            }
            let stale = try await ledger.update(records[0].export.id, fence: 1) { $0.export.stale = true }
            examination.expect(stale == .stale, "a former owner is shut out")
            let taken = try await ledger.takeOver(by: "former", after: nil, limit: 3) { _ in }
            examination.expect(
                taken.items.map(\.after.export.id) == unfinished.prefix(3).map(\.export.id),
                "a former owner can take over what it had"
            )
            let events = try await ledger.events(after: 0, limit: 10_000)
            examination.expect(events.count == 1_100 + 1_098, "each visible change has its event")
        },
        LedgerCase("all that is unfinished is changed, or nothing") { examination in
            let ledger = examination.ledger
            let records = (0..<600).map { Sample.record($0) }
            for record in records { _ = try await ledger.add(record) }
            let last = records[599].export.id
            await examination.expectError("a change that is refused is refused with all others") {
                _ = try await ledger.changeUnfinished { record in
                    record.progress.decision = "changed"
                    if record.export.id == last { record.plan.suggestedName = "other" }
                    return true
                }
            }
            for record in [records[0], records[1], records[550], records[599]] {
                examination.expect(try await ledger.record(record.export.id) == record, "nothing was changed")
            }
        },
    ]
}
