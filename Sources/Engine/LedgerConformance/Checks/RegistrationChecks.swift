import ExportLedger
import Exports

extension ReplicationCase {
    static let registrations = [
        ReplicationCase("a replica is registered until its registration expires") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            let first = try await a.join()
            examination.expect(first.replicas == [first.id], "the first is alone")
            examination.expect(first.leases.map(\.name) == ["first", "other"], "its leases are told by name")
            examination.expect(first.leases.allSatisfy { $0.holder == nil }, "nobody holds them")
            let second = try await b.join()
            examination.expect(second.replicas == [first.id, second.id].sorted(), "the second is told of both")
            examination.expect(try await a.renew()?.replicas == second.replicas, "the first is told when it renews")
            try await examination.expire(a)
            examination.expect(try await a.renew() == nil, "what has expired cannot be renewed")
            examination.expect(try await b.renew()?.replicas == [second.id], "others are told")
            let again = try await a.join()
            examination.expect(again.id != first.id, "it joins with a new id")
            examination.expect(try await a.renew()?.id == again.id, "and goes on with that")
        },
        ReplicationCase("a registration expires by itself", ledgers: 1) { examination in
            let ledger = examination.ledgers[0]
            _ = try await ledger.join(lifetime: .milliseconds(1), leases: Sample.leases, secrets: [:])
            var isExpired = false
            for _ in 0..<1000 where !isExpired { isExpired = try await ledger.renew() == nil }
            examination.expect(isExpired, "a lifetime of a millisecond ends")
        },
        ReplicationCase("who leaves is gone at once") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            let held = try await a.joinAndClaim()
            let second = try await b.join()
            try await a.leave()
            let view = try await b.renew()
            examination.expect(view?.replicas == [second.id], "it is not registered any more")
            examination.expect(view?.leases.allSatisfy { $0.holder == nil } ?? false, "it holds nothing")
            examination.expect(try await a.renew() == nil, "it cannot renew")
            let claimed = try await b.claim(["first"]).first
            examination.expect((claimed?.epoch ?? 0) > (held?.epoch ?? .max), "another can go on, with a greater epoch")
        },
        ReplicationCase("secrets are the same on all replicas", ledgers: 3) { examination in
            let ledgers = examination.ledgers
            let (key, other) = ("api.cursorKey", "other")
            _ = try await ledgers[0].join(lifetime: .seconds(600), leases: [:], secrets: [key: "1", other: "2"])
            _ = try await ledgers[1].join(lifetime: .seconds(600), leases: [:], secrets: [key: "1"])
            do {
                _ = try await ledgers[2].join(lifetime: .seconds(600), leases: [:], secrets: [key: "3"])
                examination.report("another secret is refused")
            } catch let error as StartupError {
                examination.expect(error.key == key, "the key is named")
                examination.expect(!error.detail.contains("3"), "the digest is not told")
            }
            examination.expect(try await ledgers[0].renew()?.replicas.count == 2, "who is refused is not registered")
            for ledger in ledgers[..<2] { try await examination.expire(ledger) }
            _ = try await ledgers[2].join(lifetime: .seconds(600), leases: [:], secrets: [key: "3"])
        },
    ]

    static let leases = [
        ReplicationCase("a lease is claimed while it is free") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            let id = try await a.join().id
            _ = try await b.join()
            let held = try await a.claim(["first", "other"])
            examination.expect(held.map(\.name) == ["first", "other"], "those that are free are claimed")
            examination.expect(held.allSatisfy { $0.replica == id && $0.epoch > 0 }, "for the one that claims")
            examination.expect(Set(held.map(\.token)).count == 2, "the tokens differ")
            examination.expect(try await b.claim(["first", "other"]).isEmpty, "what is held is not claimed")
            let view = try await b.renew()
            examination.expect(view?.leases.map(\.holder) == [id, id], "the holder is told")
            examination.expect(view?.leases.map(\.epoch) == held.map(\.epoch), "with the epoch")
            guard let first = held.first else { return }
            try await a.free(first)
            let claimed = try await b.claim(["first", "other"])
            examination.expect(claimed.map(\.name) == ["first"], "what is free again is claimed")
            examination.expect((claimed.first?.epoch ?? 0) > first.epoch, "its epoch grows")
            try await a.free(first)
            examination.expect(
                try await b.renew()?.leases[0].holder == claimed.first?.replica,
                "an old epoch frees nothing"
            )
        },
        ReplicationCase("only what a replica has joined with is claimed") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            _ = try await a.join()
            _ = try await b.join(["first": []])
            examination.expect(
                try await b.claim(["first", "other", "unknown"]).map(\.name) == ["first"],
                "nothing else"
            )
        },
        ReplicationCase("a lease is free when its holder has expired") { examination in
            let (a, b) = (examination.ledgers[0], examination.ledgers[1])
            let held = try await a.joinAndClaim()
            _ = try await b.join()
            try await examination.expire(a)
            examination.expect(try await a.claim(["other"]).isEmpty, "who has expired claims nothing")
            examination.expect(try await b.renew()?.leases[0].holder == nil, "nobody holds it")
            let claimed = try await b.claim(["first"]).first
            examination.expect((claimed?.epoch ?? 0) > (held?.epoch ?? .max), "another gets it, with a greater epoch")
        },
        ReplicationCase("of many that claim at once one gets the lease", ledgers: 4) { examination in
            for ledger in examination.ledgers { _ = try await ledger.join() }
            var last: Int64 = 0
            for _ in 0..<25 {
                let held = try await withThrowingTaskGroup(of: [(Int, HeldLease)].self) { group in
                    for (place, ledger) in examination.ledgers.enumerated() {
                        group.addTask { try await ledger.claim(["other", "first"]).map { (place, $0) } }
                    }
                    return try await group.reduce(into: []) { $0 += $1 }
                }
                examination.expect(held.map(\.1.name).sorted() == ["first", "other"], "each is got once")
                let epochs = held.filter { $0.1.name == "first" }.map(\.1.epoch)
                examination.expect(epochs.allSatisfy { $0 > last }, "its epoch grows")
                last = epochs.max() ?? last
                for (place, lease) in held { try await examination.ledgers[place].free(lease) }
            }
        },
    ]
}
