import ExportLedger
import Exports
import Synchronization

extension LedgerCase {
    /// What a poll changes of which nobody sees anything.
    private static func poll(_ record: inout LedgerRecord) {
        let polls = record.progress.polls + 1
        record.progress.polls = polls
        record.export.observedAt = Sample.time(polls)
        record.scheduledAt = Sample.time(polls)
        record.nextActionAt = Sample.time(600 + polls)
    }

    static let updatesInMemory = [
        LedgerCase("an update in memory is like any other") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.tracked())
            // A ledger may always want a transaction.
            for round in 1...3 {
                guard let read = try await ledger.recordToUpdate(id),
                    let outcome = ledger.updateInMemory(id, fence: 1, poll)
                else { continue }
                var wanted = read
                poll(&wanted)
                examination.expect(outcome == .written(before: read, after: wanted), "both records are told")
                examination.expect(try await ledger.record(id) == wanted, "update \(round) is read back")
                let listed = try await ledger.all().first?.observedAt
                examination.expect(listed == wanted.export.observedAt, "the list shows it")
            }
            let known = try await ledger.record(id)
            _ = try await ledger.recordToUpdate(id)
            let stale = ledger.updateInMemory(id, fence: 9, poll)
            examination.expect(stale == nil || stale == .stale, "a fence that was never given out changes nothing")
            let visible = ledger.updateInMemory(id, fence: 1) { $0.export.percentComplete = 50 }
            examination.expect(visible == nil, "what callers see is not kept in memory")
            examination.expect(try await ledger.record(id) == known, "neither was made")
        },
        LedgerCase("an update in memory does not undo what was written meanwhile") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.tracked())
            _ = try await ledger.recordToUpdate(id)
            _ = try await ledger.update(id, fence: nil) { $0.cancelWished = true }
            if case .written(let before, _)? = ledger.updateInMemory(id, fence: 1, poll) {
                examination.expect(before.cancelWished, "the record that was read before the change is not used")
            }
            examination.expect(try await ledger.record(id)?.cancelWished == true, "the change stays")
            _ = try await ledger.recordToUpdate(id)
            let owned = try await ledger.takeOver(by: "other", after: nil, limit: 9) { _ in }.items.first?.after
            _ = ledger.updateInMemory(id, fence: 1, poll)
            examination.expect(try await ledger.record(id) == owned, "the former owner changes nothing")
        },
        LedgerCase("updates in memory and others at once lose nothing") { examination in
            let (ledger, rounds) = (examination.ledger, 200)
            let id = try await ledger.id(of: Sample.tracked())
            let orders = Numbers()
            let made = try await withThrowingTaskGroup(of: [(order: Int, revision: Int64)].self) { group in
                group.addTask {
                    var made: [(Int, Int64)] = []
                    for _ in 0..<rounds {
                        let order = Numbers.Last()
                        let outcome = try await ledger.update(id, fence: nil) { record in
                            record.export.revision += 1
                            order.set(orders.next())
                        }
                        if case .written(_, let after) = outcome { made.append((order.value, after.export.revision)) }
                    }
                    return made
                }
                group.addTask {
                    var made: [(Int, Int64)] = []
                    for _ in 0..<rounds {
                        _ = try await ledger.recordToUpdate(id)
                        let order = Numbers.Last()
                        let outcome = ledger.updateInMemory(id, fence: nil) { record in
                            poll(&record)
                            order.set(orders.next())
                        }
                        if case .written(_, let after)? = outcome { made.append((order.value, after.export.revision)) }
                    }
                    return made
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            let revisions = made.sorted { $0.order < $1.order }.map(\.revision)
            examination.expect(revisions == revisions.sorted(), "of two updates the later one has seen the earlier one")
            let last = try await ledger.record(id)?.export.revision
            examination.expect(last == Int64(rounds) + 1, "no visible change is lost")
        },
    ]
}

/// Counts from 1 on, from any number of tasks.
private final class Numbers: Sendable {
    private let last = Mutex(0)

    func next() -> Int {
        last.withLock { last in
            last += 1
            return last
        }
    }

    /// The number that was taken last for one update, which may be tried more than once.
    final class Last: Sendable {
        private let number = Mutex(0)

        var value: Int { number.withLock { $0 } }

        func set(_ value: Int) { number.withLock { $0 = value } }
    }
}
