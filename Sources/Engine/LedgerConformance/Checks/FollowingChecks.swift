import ExportLedger
import Exports
import Synchronization

extension ReplicationCase {
    static let changes = [
        ReplicationCase("changes of other replicas are told") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            for ledger in [a, b] { _ = try await ledger.join() }
            let start = try await a.lastSequence()
            let own = try await a.id(of: Sample.record())
            let waiting = Task { try await a.nextChanges(after: start, limit: 10, patience: .seconds(20)) }
            let id = try await b.id(of: Sample.record(1))
            let changes = try await waiting.value
            let told = changes.events.compactMap { if case .change(let event) = $0 { event.exportID } else { own } }
            examination.expect(told == [id], "the other's change, and not its own")
            examination.expect(!changes.hasMore, "there are no more")
            let all = try await a.events(after: start, limit: 10)
            examination.expect(changes.through == all.last?.position, "the position goes past its own")
            let none = try await a.nextChanges(after: changes.through, limit: 10, patience: .milliseconds(20))
            examination.expect(none.events.isEmpty && none.through == changes.through, "nothing, when time has passed")
            let last = try await b.lastSequence()
            examination.expect(last == changes.through, "the last number is told")
            let one = try await b.nextChanges(after: start, limit: 1, patience: .seconds(20))
            examination.expect(
                one.through < last && one.hasMore == one.events.isEmpty || one.hasMore,
                "a page has its limit"
            )
        },
        ReplicationCase("no change is passed over", ledgers: 4) { examination in
            let writers = Array(examination.ledgers[1...])
            let reader = examination.ledgers[0]
            for ledger in examination.ledgers { _ = try await ledger.join() }
            let (exports, rounds) = (12, 12)
            var ids: [ExportID] = []
            for second in 0..<exports { ids.append(try await reader.id(of: Sample.record(second))) }
            let start = try await reader.lastSequence()
            // Each export is changed by all writers at once.
            let wanted = exports * rounds * writers.count
            let following = Task { [ids] in
                var (events, last): ([ExportChange], Int64) = ([], start)
                while events.count < wanted {
                    let page = try await reader.nextChanges(after: last, limit: 50, patience: .seconds(20))
                    guard !page.events.isEmpty || page.through > last else { break }
                    events += page.events.compactMap { if case .change(let event) = $0 { event } else { nil } }
                    last = page.through
                }
                _ = ids
                return events
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in writers {
                    for id in ids {
                        group.addTask {
                            for _ in 0..<rounds {
                                _ = try await writer.update(id, fence: nil) { $0.export.revision += 1 }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let events = try await following.value
            examination.expect(events.count == wanted, "all \(wanted) are told, but there are \(events.count)")
            let places = events.map(\.position)
            examination.expect(zip(places, places.dropFirst()).allSatisfy { $0 < $1 }, "the numbers grow")
            for id in ids {
                let revisions = events.filter { $0.exportID == id }.map(\.revision)
                let last = Int64(1 + rounds * writers.count)
                examination.expect(revisions == Array(2...last), "each revision of an export is told once, in order")
            }
            let stored = try await reader.events(after: start, limit: wanted + 1)
            examination.expect(stored == events.map { .change($0) }, "the same is read again")
        },
        ReplicationCase("who has lost notifications is told", needsLoss: true) { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            for ledger in [a, b] { _ = try await ledger.join() }
            let start = try await a.lastSequence()
            _ = try await a.nextChanges(after: start, limit: 10, patience: .milliseconds(1))
            let waiting = Task { try await a.nextChanges(after: start, limit: 10, patience: .seconds(20)) }
            await Task.yield()
            try await examination.harness.loseNotifications?(a)
            do {
                _ = try await waiting.value
                examination.report("a loss is an error")
            } catch {
                examination.expect(error is LedgerError, "the error is a LedgerError, but it is: \(error)")
            }
            let id = try await b.id(of: Sample.record(1))
            let changes = try await a.nextChanges(after: start, limit: 10, patience: .seconds(20))
            let told = changes.events.compactMap { if case .change(let event) = $0 { event.exportID } else { nil } }
            examination.expect(told == [id], "the next call gets what was missed")
        },
        ReplicationCase("messages reach the other replicas", ledgers: 3) { examination in
            var ids: [String] = []
            let (received, sink) = AsyncStream.makeStream(of: (Int, ReplicaMessage).self)
            for (place, ledger) in examination.ledgers.enumerated() {
                ids.append(try await ledger.join().id)
                ledger.receive { sink.yield((place, $0)) }
                // From the return on, it is listened.
                _ = try await ledger.nextChanges(after: 0, limit: 1, patience: .milliseconds(1))
            }
            let a = examination.ledgers[0]
            let big = String(repeating: "☃\n\"x\"", count: 800)
            let toAll = ReplicaMessage(from: ids[0], to: nil, topic: "budget", body: big)
            let toOne = ReplicaMessage(from: ids[0], to: ids[2], topic: "budget", body: "")
            for message in [toOne, toAll] { try await a.send(message) }
            var got: [Int: [ReplicaMessage]] = [:]
            for await (place, message) in received {
                got[place, default: []].append(message)
                if got.values.reduce(0, { $0 + $1.count }) == 3 { break }
            }
            examination.expect(got == [1: [toAll], 2: [toOne, toAll]], "each gets what is for it, in order")
        },
    ]

    static let shared = [
        ReplicationCase("of many replicas one creates", ledgers: 3) { examination in
            let ledgers = examination.ledgers
            for ledger in ledgers { _ = try await ledger.join() }
            for round in 0..<5 {
                let key = Idempotency(key: "k\(round)", fingerprint: "f")
                let outcomes = try await withThrowingTaskGroup(of: InsertOutcome.self) { group in
                    for number in 0..<30 {
                        group.addTask { try await ledgers[number % 3].add(Sample.record(round), key) }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                let created = outcomes.compactMap { if case .created(let record) = $0 { record } else { nil } }
                let replayed = outcomes.compactMap { if case .replayed(let record) = $0 { record } else { nil } }
                examination.expect(created.count == 1 && replayed.count == 29, "one creates")
                examination.expect(replayed.allSatisfy { $0 == created.first }, "the others get its export")
            }
            examination.expect(try await ledgers[0].all().count == 5, "nothing else is stored")
        },
        ReplicationCase("a job is bound to one export by all replicas", ledgers: 2) { examination in
            let ledgers = examination.ledgers
            for round in 0..<10 {
                var ids: [ExportID] = []
                for place in 0..<2 { ids.append(try await ledgers[place].id(of: Sample.record(round))) }
                let outcomes = try await withThrowingTaskGroup(of: UpdateOutcome.self) { [ids] group in
                    for (ledger, id) in zip(ledgers, ids) {
                        group.addTask {
                            try await ledger.update(id, fence: nil) {
                                $0.reference = UpstreamReference(id: "job \(round)")
                            }
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                let taken = outcomes.count { if case .jobTaken = $0 { true } else { false } }
                examination.expect(taken == 1, "one gets it, and the other is told")
            }
        },
        ReplicationCase("deliveries of live replicas are not broken") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            for ledger in [a, b] { _ = try await ledger.join() }
            let export = try await a.id(of: Sample.record())
            let (first, second) = (Sample.delivery(of: export), Sample.delivery(of: export, 1))
            _ = try await a.begin(Sample.begun(first))
            _ = try await b.begin(Sample.begun(second))
            let none = try await b.breakDeliveriesUnderWay(at: Sample.time(60), reason: "stopped")
            examination.expect(none == 0, "both are under way")
            try await examination.expire(a)
            let one = try await b.breakDeliveriesUnderWay(at: Sample.time(60), reason: "stopped")
            examination.expect(one == 1, "that of a replica that has ended is broken")
            _ = try await b.insert(second) { _ in }
            examination.expect(
                try await b.deliveries(of: export)?.map(\.outcome) == [.broken, .whole],
                "the other ends"
            )
        },
        ReplicationCase("a measurement is claimed by one replica", ledgers: 3) { examination in
            let ledgers = examination.ledgers
            for second in 0..<30 {
                let id = try await ledgers[0].id(of: Sample.record(second))
                _ = try await ledgers[0]
                    .update(id, fence: nil) { record in
                        record.phase = .settled
                        record.export.status = .succeeded
                        record.export.updatedAt = Sample.time(second)
                    }
            }
            let claimed = try await withThrowingTaskGroup(of: [ExportID].self) { group in
                for ledger in ledgers {
                    group.addTask {
                        var ids: [ExportID] = []
                        while let claim = try await ledger.claimMeasurement(
                            at: Sample.time(60),
                            retryAt: Sample.time(600),
                            besides: []
                        ) {
                            ids.append(claim.export.id)
                        }
                        return ids
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            examination.expect(Set(claimed).count == claimed.count, "none twice")
            examination.expect(claimed.count == 30, "each once")
        },
    ]
}
