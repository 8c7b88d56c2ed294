import ExportLedger
import Exports
import Webhooks

extension LedgerCase {
    static let retention = [
        LedgerCase("changes that are not stored any more are told as missing") { examination in
            let ledger = examination.ledger
            for second in 0..<6 { _ = try await ledger.add(Sample.record(second)) }
            let all = try await ledger.events(after: 0, limit: 100)
            let places = all.map(\.position)
            guard places.count == 6 else { return examination.report("each creation is told") }
            let early = try await ledger.pruneChanges(before: Sample.time(0), limit: 100)
            examination.expect(early == 0, "none is older than the first")
            let count = try await ledger.pruneChanges(before: Sample.time(9), limit: 2)
            examination.expect(count == 2, "no more than asked for are deleted")
            let rest = try await ledger.pruneChanges(before: Sample.time(3), limit: 100)
            examination.expect(rest == 1, "only what is old is deleted")
            let range = try await ledger.eventRange()
            examination.expect(
                range.first == places[3] && range.last == places[5],
                "the range begins with what is left"
            )
            let missing = RecordedEvent.unreadable(position: places[2])
            let left = [missing] + all[3...]
            examination.expect(try await ledger.events(after: 0, limit: 100) == left, "what is missing is told")
            examination.expect(
                try await ledger.events(after: 0, limit: 1) == [missing],
                "also when it is all that is wanted"
            )
            let after = try await ledger.events(after: places[2], limit: 100)
            examination.expect(after == Array(all[3...]), "what comes after is whole")
            _ = try await ledger.pruneChanges(before: Sample.time(9), limit: 100)
            let none = try await ledger.eventRange()
            examination.expect(none == ChangeRange(first: nil, last: places[5]), "the last number stays")
            let gone = try await ledger.events(after: places[3], limit: 9)
            examination.expect(gone == [.unreadable(position: places[5])], "all are missing")
            let nothing = try await ledger.events(after: places[5], limit: 9)
            examination.expect(nothing.isEmpty, "who knows all misses nothing")
            _ = try await ledger.add(Sample.record(20))
            let new = try await ledger.events(after: places[5], limit: 9).map(\.position)
            examination.expect(new == [places[5] + 1], "numbers go on")
        },
        LedgerCase("a change is as old as a later one says") { examination in
            let ledger = examination.ledger
            var future = Sample.record(1)
            future.export.updatedAt = Sample.time(1_000_000)
            for record in [Sample.record(0), future, Sample.record(2), Sample.record(3)] {
                _ = try await ledger.add(record)
            }
            _ = try await ledger.eventRange()
            let count = try await ledger.pruneChanges(before: Sample.time(3), limit: 100)
            examination.expect(count == 3, "a clock that was ahead keeps nothing")
        },
        LedgerCase("changes that webhooks have not read stay") { examination in
            let ledger = examination.ledger
            var webhook = Sample.webhook()
            var off = Sample.webhook(1)
            for second in 0..<4 { _ = try await ledger.add(Sample.record(second)) }
            let places = try await ledger.events(after: 0, limit: 100).map(\.position)
            (webhook.position, off.position, off.state) = (places[1], 0, .disabled)
            for one in [webhook, off] { _ = try await ledger.insert(one, limit: 9) }
            let count = try await ledger.pruneChanges(before: Sample.time(99), limit: 100)
            examination.expect(count == 2, "only what enabled webhooks have read is deleted")
            examination.expect(try await ledger.eventRange().first == places[2], "the rest is there")
        },
        LedgerCase("tombstones are pruned when their changes are gone") { examination in
            let ledger = examination.ledger
            var tombstones: [ExportTombstone] = []
            for second in 0..<3 {
                let id = try await ledger.id(of: Sample.ended(second))
                guard case .purged(let one) = try await ledger.purge(id, at: 100 + second) else {
                    return examination.report("it is purged")
                }
                tombstones.append(one)
            }
            func left() async throws -> [Bool] {
                var left: [Bool] = []
                for one in tombstones { left.append(try await ledger.tombstone(one.id) != nil) }
                return left
            }
            _ = try await ledger.eventRange()
            let early = try await ledger.pruneTombstones(before: Sample.time(999), limit: 9)
            examination.expect(early == 0, "none whose change may still be told")
            _ = try await ledger.pruneChanges(before: Sample.time(999), limit: 100)
            examination.expect(
                try await ledger.pruneTombstones(before: Sample.time(100), limit: 9) == 0,
                "none is so old"
            )
            examination.expect(
                try await ledger.pruneTombstones(before: Sample.time(102), limit: 1) == 1,
                "one at a time"
            )
            examination.expect(try await left() == [false, true, true], "the oldest is gone")
            examination.expect(
                try await ledger.pruneTombstones(before: Sample.time(102), limit: 9) == 1,
                "one more is old"
            )
            examination.expect(try await left() == [false, false, true], "the last one stays")
        },
        LedgerCase("retained exports are counted") { examination in
            let ledger = examination.ledger
            let ids = [try await ledger.id(of: Sample.record()), try await ledger.id(of: Sample.ended(1))]
            _ = try await ledger.id(of: Sample.record(2))
            examination.expect(try await ledger.retainedExports() == 0, "there are none at first")
            for id in ids { _ = try await ledger.update(id, fence: nil) { $0.export.retainedAt = Sample.time(5) } }
            examination.expect(try await ledger.retainedExports() == 2, "those that are kept, ended or not")
            _ = try await ledger.update(ids[0], fence: nil) { $0.export.retainedAt = nil }
            examination.expect(try await ledger.retainedExports() == 1, "one was released")
            let usage = try await ledger.usage()
            examination.expect(usage.values.contains { $0 > 0 } && usage.values.allSatisfy { $0 >= 0 }, "it has a size")
            examination.expect(try await ledger.reclaim(limit: 0) == 0, "nothing is given back unasked")
        },
    ]
}
