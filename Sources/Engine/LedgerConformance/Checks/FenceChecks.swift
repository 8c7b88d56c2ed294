import ExportLedger
import Exports

extension ReplicationCase {
    static let fences = [
        ReplicationCase("progress is written by the holder of the lease only") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            guard let held = try await a.joinAndClaim() else { return examination.report("a free lease is got") }
            _ = try await b.joinAndClaim("other")
            let id = try await a.id(of: Sample.tracked(), owner: held.token)
            examination.expect(try await a.mayWrite(id), "the holder writes")
            examination.expect(try await !b.mayWrite(id), "another replica does not")
            examination.expect(try await !a.mayWrite(id, fence: 2), "nor the holder with another fence")
            let request = try await b.update(id, fence: nil) { $0.cancelWished = true }
            if case .written = request {} else { examination.report("what a caller wants is written by every replica") }
            examination.expect(try await a.mayWrite(id), "the fence stays good")
            examination.expect(try await a.record(id)?.progress.polls == 2, "nothing else was written")
            let nobodys = try await a.id(of: Sample.tracked(1), owner: nil)
            examination.expect(try await !a.mayWrite(nobodys), "what nobody owns is written by nobody")
            let ended = try await a.update(id, fence: 1) { $0.phase = .settled }
            if case .written = ended {} else { examination.report("the holder ends it") }
        },
        ReplicationCase("an expired registration changes nothing") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            guard let held = try await a.joinAndClaim() else { return examination.report("a free lease is got") }
            _ = try await b.join()
            let ids = [
                try await a.id(of: Sample.tracked(), owner: held.token),
                try await a.id(of: Sample.tracked(1, job: nil), owner: held.replica),
            ]
            for id in ids { examination.expect(try await a.mayWrite(id), "as long as it is valid, it writes") }
            try await examination.expire(a)
            for id in ids { examination.expect(try await !a.mayWrite(id), "then it does not") }
            guard let next = try await b.claim(["first"]).first else {
                return examination.report("a free lease is got")
            }
            let taken = try await b.takeAll(for: next)
            examination.expect(taken.map(\.export.id) == ids, "another takes all of it over")
            for record in taken {
                for fence in 1...2 {
                    let isWritten = try await a.mayWrite(record.export.id, fence: Int64(fence))
                    examination.expect(!isWritten, "the former holder changes nothing with fence \(fence)")
                }
                examination.expect(try await b.mayWrite(record.export.id, fence: record.fence), "the new one does")
            }
            _ = try await a.join()
            for id in ids { examination.expect(try await !a.mayWrite(id), "nor after it has joined again") }
        },
        ReplicationCase("who is not registered gets no export") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            let own = try await a.join().id
            guard let held = try await b.joinAndClaim() else { return examination.report("a free lease is got") }
            let id = try await a.id(of: Sample.tracked(), owner: held.token)
            @Sendable func take(as owner: String) async throws -> Bool {
                let outcome = try await a.update(id, fence: nil) { record in
                    record.lease(to: owner)
                    record.fence += 1
                }
                return if case .written = outcome { true } else { false }
            }
            examination.expect(try await !take(as: "another"), "nobody gives it to another replica")
            try await examination.expire(a)
            examination.expect(try await !take(as: own), "nor to itself, when its registration has expired")
            examination.expect(try await b.mayWrite(id), "its owner goes on")
            let new = try await a.join().id
            examination.expect(try await !take(as: own), "nor under an id that it had before")
            examination.expect(try await take(as: new), "who is registered takes it")
            examination.expect(try await !b.mayWrite(id, fence: 1), "and its former owner writes nothing more")
        },
        ReplicationCase("an epoch that has passed changes nothing") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            guard let held = try await a.joinAndClaim() else { return examination.report("a free lease is got") }
            let id = try await a.id(of: Sample.tracked(), owner: held.token)
            try await a.free(held)
            examination.expect(try await !a.mayWrite(id), "what is freed is not worked on")
            _ = try await b.join()
            let next = try await b.claim(["first"])
            examination.expect(try await !b.mayWrite(id), "a claim alone takes nothing over")
            for lease in next { try await b.free(lease) }
            guard let again = try await a.claim(["first"]).first else { return examination.report("it can be claimed") }
            examination.expect(try await !a.mayWrite(id), "the same replica has another epoch now")
            let taken = try await a.takeAll(for: again)
            examination.expect(taken.map(\.leaseOwner) == [again.token], "it takes over under the new one")
            examination.expect(try await a.mayWrite(id, fence: 2), "and writes")
            examination.expect(try await a.takeAll(for: held).isEmpty, "nothing is taken over under an old epoch")
        },
        ReplicationCase("updates and claims at once: no former holder writes after its successor") { examination in
            let ledgers = examination.ledgers
            for ledger in ledgers { _ = try await ledger.join() }
            let id = try await ledgers[0].id(of: Sample.tracked())
            var last: Int64 = 0
            for round in 0..<10 {
                let (old, new) = (ledgers[round % 2], ledgers[(round + 1) % 2])
                guard let held = try await old.claim(["first"]).first else {
                    return examination.report("a free lease is got")
                }
                guard let fence = try await old.takeAll(for: held).first?.fence else {
                    return examination.report("the export is taken over")
                }
                examination.expect(fence > last, "the fence grows")
                last = fence
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<20 {
                        group.addTask {
                            _ = try await old.update(id, fence: fence) { record in
                                record.progress.polls += 1
                                record.progress.decision = held.token
                            }
                        }
                    }
                    group.addTask {
                        try await old.free(held)
                        guard let next = try await new.claim(["first"]).first else { return }
                        _ = try await new.takeAll(for: next)
                        let taken = try await new.record(id)
                        for _ in 0..<5 { _ = try await new.record(id) }
                        let now = try await new.record(id)
                        examination.expect(taken == now, "nothing is written after it was taken over")
                        try await new.free(next)
                    }
                    try await group.waitForAll()
                }
            }
        },
    ]

    static let takeOvers = [
        ReplicationCase("who claims a lease takes over its exports", ledgers: 3) { examination in
            let (a, b, gone) = (examination.ledgers[0], examination.ledgers[1], examination.ledgers[2])
            let (live, former) = (try await b.join().id, try await gone.join().id)
            try await examination.expire(gone)
            guard let held = try await a.joinAndClaim() else { return examination.report("a free lease is got") }
            let owners: [(String?, String)] = [
                (nil, "main"), ("x/1/first", "second"), (former, "main"), (live, "main"), (held.replica, "main"),
                (held.token, "main"), (nil, "other"), (nil, "unconfigured"),
            ]
            var ids: [ExportID] = []
            for (second, (owner, connection)) in owners.enumerated() {
                ids.append(try await a.id(of: Sample.record(second, connection: connection), owner: owner))
            }
            var settled = Sample.record(20)
            settled.phase = .settled
            _ = try await a.add(settled)
            let one = try await a.takeAll(for: held, only: [ids[1], ids[3], ids[6]])
            examination.expect(one.map(\.export.id) == [ids[1]], "of some that are named, those that can be taken over")
            let taken = try await a.takeAll(for: held)
            examination.expect(
                taken.map(\.export.id) == [ids[0], ids[2]],
                "all but those of live replicas, oldest first"
            )
            for record in one + taken {
                examination.expect(record.leaseOwner == held.token && record.fence == 2, "with its token, and a fence")
                examination.expect(record.progress.failures == 7, "with the change")
                examination.expect(try await b.record(record.export.id) == record, "it is written")
            }
            for place in 3..<ids.count {
                examination.expect(
                    try await a.record(ids[place])?.leaseOwner == owners[place].0,
                    "others are left alone"
                )
            }
            try await examination.expire(b)
            examination.expect(
                try await a.takeAll(for: held).map(\.export.id) == [ids[3]],
                "those of who has ended follow"
            )
            let stolen = HeldLease(name: "other", replica: held.replica, epoch: 1)
            examination.expect(try await a.takeAll(for: stolen).isEmpty, "without the lease, nothing")
        },
        ReplicationCase("what no replica is configured for is taken over by one") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            guard let held = try await a.joinAndClaim() else { return examination.report("a free lease is got") }
            let other = try await b.join(["second": [Sample.connection("rare")]]).id
            var ids: [ExportID] = []
            for (second, (owner, connection)) in [
                (nil, "main"), (nil, "gone"), ("x/1/gone", "gone"), (nil, "rare"), (other, "gone"), (nil, "gone"),
            ]
            .enumerated() as EnumeratedSequence<[(String?, String)]> {
                ids.append(try await a.id(of: Sample.record(second, connection: connection), owner: owner))
            }
            var (taken, last): ([LedgerRecord], ExportID?) = ([], nil)
            repeat {
                let page = try await a.takeOverUnconfigured(for: held, after: last, limit: 1) { _ in }
                taken += page.items.map(\.after)
                last = page.next
            } while last != nil
            examination.expect(taken.map(\.export.id) == [ids[1], ids[2], ids[5]], "those of connections nobody has")
            examination.expect(taken.allSatisfy { $0.leaseOwner == held.replica }, "they belong to the replica")
            for record in taken {
                examination.expect(try await a.mayWrite(record.export.id, fence: 2), "it writes them")
            }
            try await a.free(held)
            let none = try await a.takeOverUnconfigured(for: held, after: nil, limit: 9) { _ in }
            examination.expect(none.items.isEmpty, "without the lease, nothing")
        },
    ]
}
