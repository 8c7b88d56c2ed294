import ExportLedger
import Exports

extension LedgerCase {
    /// The event of an export's present revision, with any sequence number.
    private static func told(_ record: LedgerRecord?, ends: Bool = false) -> ExportChange? {
        record.map { record in
            var change = ExportChange(position: 0, record.export)
            change.ends = ends
            return change
        }
    }

    static let events = [
        LedgerCase("each change that callers see has its event") { examination in
            let ledger = examination.ledger
            var wanted: [ExportChange?] = []
            let id = try await ledger.id(of: Sample.tracked())
            wanted.append(told(try await ledger.record(id)))
            _ = try await ledger.update(id, fence: 1) { record in
                record.export.percentComplete = 40
                record.export.notice = ExportNotice(.upstreamThrottled, "Wait.")
                record.export.updatedAt = Sample.time(7)
                record.export.revision += 1
            }
            wanted.append(told(try await ledger.record(id)))
            _ = try await ledger.takeOver(by: "other", after: nil, limit: 9) { record in
                record.export.stale = true
                record.export.revision += 1
            }
            wanted.append(told(try await ledger.record(id)))
            _ = try await ledger.update(id, fence: nil) { record in
                record.phase = .settled
                record.export.status = .partiallySucceeded
                record.export.completedAt = Sample.time(8)
                record.export.error = ExportFailure(.exportPartiallySucceeded, "Half of it.")
                record.export.revision += 1
            }
            wanted.append(told(try await ledger.record(id), ends: true))
            _ = try await ledger.insert(Sample.delivery(of: id)) { record in
                record.export.files = [ExportFile(id: "1", name: "a")]
                record.export.revision += 1
            }
            wanted.append(told(try await ledger.record(id)))
            _ = try await ledger.update(id, fence: nil) { record in
                record.export.status = .expired
                record.export.revision += 1
            }
            wanted.append(told(try await ledger.record(id), ends: true))
            let events = try await ledger.changes().map { $0.placed(at: 0) }
            examination.expect(events == wanted, "there is one of each, as the export was then, in their order")
        },
        LedgerCase("what callers do not see has no event") { examination in
            let ledger = examination.ledger
            let key = Idempotency(key: "k", fingerprint: "f")
            let record = Sample.tracked()
            _ = try await ledger.add(record, key)
            let id = record.export.id
            let before = try await ledger.events(after: 0, limit: 100)
            _ = try await ledger.add(Sample.record(1), key)
            _ = try await ledger.update(id, fence: 1) { record in
                record.export.observedAt = Sample.time(1)
                record.nextActionAt = Sample.time(61)
                record.scheduledAt = Sample.time(1)
                record.progress.polls += 1
            }
            _ = try await ledger.update(id, fence: 1) { $0.progress.missingSince = Sample.time(1) }
            _ = try await ledger.update(id, fence: 7) { $0.export.revision += 1 }
            _ = try await ledger.insert(Sample.delivery(of: id)) { _ in }
            _ = try await ledger.takeOver(by: "other", after: nil, limit: 9) { _ in }
            let second = try await ledger.id(of: Sample.tracked(2, job: nil))
            let taken = try await ledger.update(second, fence: 1) { record in
                record.reference = UpstreamReference(id: "job")
                record.export.revision += 1
            }
            examination.expect(taken == .jobTaken(by: id), "a job is bound to one export")
            let events = try await ledger.events(after: 0, limit: 100)
            examination.expect(events.dropLast() == before[...], "polls, fences and refused changes have none")
            examination.expect(events.count == before.count + 1, "the second export has one, and nothing else")
        },
        LedgerCase("events stand in the order of their commits") { examination in
            let ledger = examination.ledger
            var ids: [ExportID] = []
            for second in 0..<4 { ids.append(try await ledger.id(of: Sample.record(second))) }
            for round in 1...3 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for id in ids + ids.reversed() {
                        group.addTask { _ = try await ledger.update(id, fence: nil) { $0.export.revision += 1 } }
                    }
                    try await group.waitForAll()
                }
                // Everything after this was committed later.
                let last = ids[round % ids.count]
                _ = try await ledger.update(last, fence: nil) { $0.export.revision += 1 }
                let newest = try await ledger.changes().last
                examination.expect(newest?.exportID == last, "what is committed last has the last place")
            }
            let events = try await ledger.changes()
            let places = events.map(\.position)
            examination.expect(zip(places, places.dropFirst()).allSatisfy { $0 < $1 }, "the numbers grow")
            for id in ids {
                let revisions = events.filter { $0.exportID == id }.map(\.revision)
                let now = try await ledger.record(id)?.export.revision ?? 0
                examination.expect(revisions == Array(1...now), "each revision of an export is told once, in order")
            }
        },
        LedgerCase("pages of events follow one another") { examination in
            let ledger = examination.ledger
            for second in 0..<5 { _ = try await ledger.add(Sample.record(second)) }
            let all = try await ledger.events(after: 0, limit: 100)
            examination.expect(all.count == 5, "each creation is told")
            let first = try await ledger.events(after: 0, limit: 2)
            examination.expect(first == Array(all[..<2]), "a page has its limit")
            let next = try await ledger.events(after: all[1].position, limit: 2)
            examination.expect(next == Array(all[2..<4]), "the next page begins behind the last")
            let none = try await ledger.events(after: all[4].position, limit: 9)
            examination.expect(none.isEmpty, "the last is the last")
            examination.expect(try await ledger.events(after: 0, limit: 0).isEmpty, "a page of none is empty")
        },
        LedgerCase("the range of events has all of them") { examination in
            let ledger = examination.ledger
            let none = try await ledger.eventRange()
            examination.expect(none == ChangeRange(first: nil, last: 0), "there is none in an empty ledger")
            for second in 0..<3 { _ = try await ledger.add(Sample.record(second)) }
            let range = try await ledger.eventRange()
            let all = try await ledger.events(after: 0, limit: 100)
            examination.expect(range.first == all.first?.position, "it begins with the oldest")
            examination.expect(range.last == all.last?.position, "it ends with the last")
        },
        LedgerCase("an event that cannot be read is not passed over", needs: .damage) { examination in
            let ledger = examination.ledger
            for second in 0..<3 { _ = try await ledger.add(Sample.record(second)) }
            var all = try await ledger.events(after: 0, limit: 100)
            guard all.count == 3 else { return examination.report("each creation is told") }
            try await examination.damage(.event(all[1].position))
            all[1] = .unreadable(position: all[1].position)
            examination.expect(try await ledger.events(after: 0, limit: 100) == all, "there is word of it in its place")
        },
        LedgerCase("a kill leaves no change without its event", needs: .kill) { examination in
            let ledger = examination.ledger
            var ids: [ExportID] = []
            for second in 0..<4 { ids.append(try await ledger.id(of: Sample.record(second))) }
            _ = try await ledger.update(ids[0], fence: nil) { $0.export.revision += 1 }
            let answered = try await examination.killed()
            examination.expect(try await answered.changes().count == 5, "what was answered is there, with its event")
            let writers = ids.map { id in
                Task { for _ in 0..<8 { _ = try await ledger.update(id, fence: nil) { $0.export.revision += 1 } } }
            }
            await Task.yield()
            let next = try await examination.killed()
            for writer in writers { _ = try await writer.value }
            for ledger in [answered, next, ledger] {
                let events = try await ledger.changes()
                for id in ids {
                    let revisions = events.filter { $0.exportID == id }.map(\.revision)
                    let now = try await ledger.record(id)?.export.revision ?? 0
                    examination.expect(revisions == Array(1...now), "changes and events are there together")
                }
            }
        },
        LedgerCase("a full disk leaves no event without its change", needs: .fullDisk) { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.record())
            let before = try await ledger.events(after: 0, limit: 100)
            try await examination.setFull(true)
            let big = String(repeating: "x", count: 100_000)
            await examination.expectError("a new export is refused") {
                var other = Sample.record(1)
                other.export.name = big
                _ = try await ledger.add(other)
            }
            await examination.expectError("a change is refused") {
                _ = try await ledger.update(id, fence: nil) { record in
                    record.export.name = big
                    record.export.revision += 1
                }
            }
            examination.expect(try await ledger.events(after: 0, limit: 100) == before, "neither is told")
            try await examination.setFull(false)
            _ = try await ledger.update(id, fence: nil) { $0.export.revision += 1 }
            let events = try await ledger.changes()
            examination.expect(events.map(\.revision) == [1, 2], "with space again, it goes on")
        },
    ]
}

extension ExportLedger {
    /// All events that can be read.
    fileprivate func changes() async throws -> [ExportChange] {
        try await events(after: 0, limit: 1_000)
            .compactMap { if case .change(let event) = $0 { event } else { nil } }
    }
}

extension ExportChange {
    fileprivate func placed(at position: Int64) -> ExportChange {
        var event = self
        event.position = position
        return event
    }
}
