import ExportLedger
import Exports
import JSON

extension LedgerCase {
    static let records = [
        LedgerCase("an update writes every field") { examination in
            let (ledger, record) = (examination.ledger, Sample.record())
            let id = try await ledger.id(of: record)
            let wanted = Sample.changed(record)
            let outcome = try await ledger.update(id, fence: 1) { $0 = wanted }
            examination.expect(outcome == .written(before: record, after: wanted), "both records are told")
            examination.expect(try await ledger.record(id) == wanted, "every field is written")
            let back = try await ledger.update(id, fence: nil) { $0 = record }
            examination.expect(back == .written(before: wanted, after: record), "every field can be taken back")
            examination.expect(try await ledger.record(id) == record, "every field is taken back")
        },
        LedgerCase("what an export was asked for is never written again") { examination in
            let (ledger, record) = (examination.ledger, Sample.record())
            let id = try await ledger.id(of: record)
            for change in [{ $0.plan.suggestedName = "other" }, { $0.export.source = [:] }]
                as [@Sendable (inout LedgerRecord) -> Void]
            {
                await examination.expectError("a change of it is refused") {
                    _ = try await ledger.update(id, fence: 1) { record in
                        record.export.revision += 1
                        change(&record)
                    }
                }
            }
            examination.expect(try await ledger.record(id) == record, "nothing was changed")
        },
        LedgerCase("an update leaves other exports alone") { examination in
            let ledger = examination.ledger
            let (first, second) = (Sample.record(), Sample.record(1))
            for record in [first, second] { _ = try await ledger.add(record) }
            _ = try await ledger.update(first.export.id, fence: nil) { $0.export.status = .failed }
            examination.expect(try await ledger.record(second.export.id) == second, "the other is as it was")
        },
        LedgerCase("reads at once get each its own record") { examination in
            let ledger = examination.ledger
            let records = (0..<200).map { Sample.record($0) }
            for record in records { _ = try await ledger.add(record) }
            let wanted = records.map { ($0.export.id, Optional($0)) } + [(Sample.id(), nil)]
            let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
                for (id, record) in wanted { group.addTask { try await ledger.record(id) != record } }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            examination.expect(wrong == 0, "each gets what it asked for, but \(wrong) did not")
        },
        LedgerCase("updates at once lose nothing") { examination in
            let ledger = examination.ledger
            for record in [Sample.record(), Sample.tracked()] {
                let id = try await ledger.id(of: record)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<50 {
                        group.addTask { _ = try await ledger.update(id, fence: nil) { $0.progress.polls += 1 } }
                    }
                    try await group.waitForAll()
                }
                let polls = try await ledger.record(id)?.progress.polls
                examination.expect(polls == 50, "each update sees the one before, but \(polls ?? -1) of 50 are left")
            }
        },
        LedgerCase("what is polled is read back everywhere") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.tracked())
            for second in 1...3 {
                _ = try await ledger.update(id, fence: nil) { record in
                    record.export.observedAt = Sample.time(second)
                    record.nextActionAt = Sample.time(60 + second)
                    record.scheduledAt = Sample.time(second)
                    record.progress.polls += 1
                }
            }
            let record = try await ledger.record(id)
            examination.expect(record?.progress.polls == 3, "the record has the last poll")
            examination.expect(record?.nextActionAt == Sample.time(63), "the record has the next time")
            let listed = try await ledger.all().first?.observedAt
            examination.expect(listed == Sample.time(3), "the list shows the last poll")
            let taken = try await ledger.takeOver(by: "other", after: nil, limit: 9) { _ in }
            examination.expect(taken.items.map(\.before) == [record], "who takes it over gets the same")
        },
        LedgerCase("what brings an export on is read from its state") { examination in
            let ledger = examination.ledger
            for (phase, awaits, tracking) in [
                (LedgerRecord.Phase.accepted, false, Tracking.background), (.submitting, true, .onRequest),
                (.tracking, true, .onRequest), (.tracking, false, .background), (.settled, false, nil),
            ] as [(LedgerRecord.Phase, Bool, Tracking?)] {
                var record = Sample.record()
                record.phase = phase
                record.progress.awaitsAuthorization = awaits
                let id = try await ledger.id(of: record)
                let read = try await ledger.record(id)?.export.tracking
                examination.expect(read == tracking, "\(phase) is told as \(String(describing: tracking))")
                let listed = try await ledger.all().first { $0.id == id }?.tracking
                examination.expect(listed == tracking, "the list tells the same of \(phase)")
            }
        },
    ]

    static let owners = [
        LedgerCase("a former owner changes nothing") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.tracked())
            let claimed = try await ledger.takeOver(by: "other", after: nil, limit: 9) { _ in }.items.first?.after
            let stale = try await ledger.update(id, fence: 1) { $0.export.status = .failed }
            examination.expect(stale == .stale, "an old fence is stale")
            examination.expect(try await ledger.record(id) == claimed, "the record is as it was")
            let polled = try await ledger.update(id, fence: 1) { $0.progress.polls += 1 }
            examination.expect(polled == .stale, "an old fence is stale for a poll too")
            let future = try await ledger.update(id, fence: 9) { $0.export.status = .failed }
            examination.expect(future == .stale, "a fence that was never given out is stale")
            let fresh = try await ledger.update(id, fence: claimed?.fence) { $0.export.percentComplete = 5 }
            examination.expect(fresh != .stale, "the present owner may write")
            examination.expect(try await ledger.record(id)?.export.percentComplete == 5, "the owner's change is there")
        },
        LedgerCase("a change can shut the owner out") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.record())
            _ = try await ledger.update(id, fence: nil) { $0.fence += 1 }
            let stale = try await ledger.update(id, fence: 1) { $0.phase = .settled }
            examination.expect(stale == .stale, "the former owner is shut out")
        },
        LedgerCase("an engine takes over what others have") { examination in
            let ledger = examination.ledger
            var records: [LedgerRecord] = []
            for second in 0..<7 {
                var record = second == 5 ? Sample.tracked(5) : Sample.record(second)
                if second == 2 { record.phase = .settled }
                record.leaseOwner = [3: "own", 4: "other"][second]
                records.append(record)
            }
            for record in records.shuffled() { _ = try await ledger.add(record) }
            var items: [TakeOverPage.Item] = []
            var last: ExportID?
            repeat {
                let page = try await ledger.takeOver(by: "own", after: last, limit: 2) { $0.progress.resubmissions = 7 }
                examination.expect(page.items.count <= 2, "a page has its limit")
                items += page.items
                last = page.next
            } while last != nil
            let wanted = [0, 1, 4, 5, 6].map { records[$0] }
            examination.expect(items.map(\.before.export.id) == wanted.map(\.export.id), "all of others, oldest first")
            for (item, record) in zip(items, wanted) {
                var after = record
                after.fence += 1
                after.leaseOwner = "own"
                after.leaseEpoch += 1
                after.progress.resubmissions = 7
                examination.expect(item.before == record && item.after == after, "both records are told")
                examination.expect(try await ledger.record(record.export.id) == after, "it is written")
                let stale = try await ledger.update(record.export.id, fence: record.fence) { $0.export.stale = true }
                examination.expect(stale == .stale, "the former owner is shut out")
            }
            for record in [records[2], records[3]] {
                let now = try await ledger.record(record.export.id)
                examination.expect(now?.fence == record.fence, "what is settled, or its own, is left alone")
            }
            let again = try await ledger.takeOver(by: "own", after: nil, limit: 9) { _ in }
            examination.expect(again.items.isEmpty && again.next == nil, "nothing is taken over twice")
        },
    ]
}
