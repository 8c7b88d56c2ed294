import ExportLedger
import Testing

@testable import ExportEngine

@Suite("What a replica believes about its leases")
struct LeaseKeeperTests {
    @Test("The registration is valid from when its renewal was sent, less 5 %")
    func validity() {
        var keeper = LeaseKeeper(names: ["x"], lifetime: .seconds(10))
        #expect(!keeper.isValid(at: .zero))
        _ = keeper.joined(view([]), at: .seconds(3), askedAt: .seconds(1))
        #expect(keeper.replica == "me")
        #expect(keeper.isValid(at: .milliseconds(10_499)))
        #expect(!keeper.isValid(at: .milliseconds(10_500)))
        _ = keeper.renewed(view([]), at: .seconds(5), askedAt: .seconds(5))
        #expect(keeper.isValid(at: .milliseconds(14_499)))
        // An answer that was overtaken does not shorten it.
        _ = keeper.renewed(view([]), at: .seconds(6), askedAt: .seconds(4))
        #expect(keeper.isValid(at: .milliseconds(14_499)))
        _ = keeper.registrationExpired()
        #expect(!keeper.isValid(at: .seconds(6)))
        #expect(keeper.replica == nil)
    }

    @Test("A view that is older than the registration's validity claims nothing and hands over nothing")
    func oldView() {
        var keeper = LeaseKeeper(names: ["x", "y"], lifetime: .seconds(10))
        let actions = keeper.joined(view([free("x", 0)]), at: .seconds(9.5), askedAt: .zero)
        #expect(actions == LeaseKeeper.Actions())
        #expect(keeper.renewed(view([free("x", 0)]), at: .seconds(10), askedAt: .seconds(9)).claim == ["x"])
    }

    @Test("Only leases that it has joined with are claimed")
    func names() {
        var keeper = LeaseKeeper(names: ["x"], lifetime: .seconds(10))
        #expect(keeper.joined(view([free("w", 0), free("x", 3)]), at: .zero, askedAt: .zero).claim == ["x"])
    }

    @Test("A lease whose epoch or holder is another one is lost")
    func lost() {
        for seen in [other("x", 2), free("x", 1), free("x", 2)] {
            var keeper = holder("x", epoch: 1)
            #expect(renew(&keeper, [seen]).lost == [lease("x", 1)])
            #expect(keeper.held.isEmpty && keeper.holds("x") == nil)
        }
        var keeper = holder("x", epoch: 1)
        #expect(renew(&keeper, []).lost == [lease("x", 1)])
    }

    @Test("A view from before a claim does not take the lease away")
    func overtakenClaim() {
        var keeper = holder("x", epoch: 5)
        #expect(renew(&keeper, [other("x", 4)]).lost.isEmpty)
        #expect(keeper.holds("x") == lease("x", 5))
    }

    @Test("A claim whose answer comes after a view that shows its end is not taken")
    func lateClaim() {
        var keeper = holder("x", epoch: 1)
        _ = renew(&keeper, [other("x", 3)])
        keeper.claimed([lease("x", 2)])
        keeper.claimed([HeldLease(name: "x", replica: "earlier", epoch: 9)])
        #expect(keeper.held.isEmpty)
        keeper.claimed([lease("x", 4)])
        #expect(keeper.held == [lease("x", 4)])
    }

    @Test("A claim whose answer was lost is found, once")
    func found() {
        var keeper = holder("x", epoch: 1)
        #expect(renew(&keeper, [mine("x", 1), mine("y", 7)]).found == [lease("y", 7)])
        #expect(renew(&keeper, [mine("x", 1), mine("y", 7)]).found.isEmpty)
        #expect(keeper.held == [lease("x", 1), lease("y", 7)])
        // The answer comes after all.
        keeper.claimed([lease("y", 7)])
        #expect(keeper.held == [lease("x", 1), lease("y", 7)])
        // Lost and claimed again, both unnoticed.
        let actions = renew(&keeper, [mine("x", 1), mine("y", 9)])
        #expect(actions.lost == [lease("y", 7)] && actions.found == [lease("y", 9)])
    }

    @Test("A hand-over is asked for until the lease is free; the next one waits until somebody has claimed it")
    func handOver() {
        var keeper = holder("x", epoch: 1)
        keeper.claimed([lease("y", 1), lease("z", 1)])
        let seen = [mine("x", 1), mine("y", 1), mine("z", 1)]
        let replicas = ["me", "other"]
        #expect(renew(&keeper, seen, replicas).handOver == lease("x", 1))
        #expect(keeper.leaving == lease("x", 1))
        #expect(renew(&keeper, seen, replicas).handOver == lease("x", 1))
        #expect(keeper.holds("x") == lease("x", 1))
        keeper.freed(lease("x", 1))
        #expect(keeper.holds("x") == nil && keeper.leaving == nil)
        // This view was asked for before.
        #expect(renew(&keeper, seen, replicas) == LeaseKeeper.Actions())
        #expect(renew(&keeper, [free("x", 1), mine("y", 1), mine("z", 1)], replicas) == LeaseKeeper.Actions())
        // Taken back, because the other one has not claimed it.
        let again = renew(&keeper, [free("x", 1), mine("y", 1), mine("z", 1)], replicas)
        #expect(again == LeaseKeeper.Actions(claim: ["x"]))
        keeper.claimed([lease("x", 2)])
        // The one that was handed over least often.
        #expect(renew(&keeper, [mine("x", 2), mine("y", 1), mine("z", 1)], replicas).handOver == lease("y", 1))
        keeper.freed(lease("y", 1))
        let claimed = renew(&keeper, [mine("x", 2), other("y", 2), mine("z", 1)], replicas)
        #expect(claimed == LeaseKeeper.Actions())
    }

    @Test("A lease that is lost is not handed over any more")
    func lostHandOver() {
        var keeper = holder("x", epoch: 1)
        keeper.claimed([lease("y", 1)])
        let replicas = ["me", "other"]
        #expect(renew(&keeper, [mine("x", 1), mine("y", 1)], replicas).handOver == lease("x", 1))
        let actions = renew(&keeper, [other("x", 2), mine("y", 1)], replicas)
        #expect(actions == LeaseKeeper.Actions(lost: [lease("x", 1)]))
        #expect(keeper.leaving == nil)
    }

    @Test("Of two replicas with the same view, only as many hand over as are needed")
    func sameView() {
        let leases = [("a", "p"), ("b", "p"), ("c", "q"), ("d", "q")]
            .map {
                ReplicaView.Lease(name: $0, holder: $1, epoch: 1)
            }
        let handOvers = ["p", "q", "r"]
            .map { id in
                var keeper = LeaseKeeper(names: ["a", "b", "c", "d"], lifetime: .seconds(10))
                let view = ReplicaView(id: id, replicas: ["p", "q", "r"], leases: leases)
                return keeper.joined(view, at: .zero, askedAt: .zero).handOver?.name
            }
        #expect(handOvers == ["a", nil, nil])
    }

    @Test("With its registration, a replica loses everything; answers to the former one change nothing")
    func expired() {
        var keeper = holder("x", epoch: 1)
        #expect(keeper.registrationExpired() == [lease("x", 1)])
        #expect(keeper.held.isEmpty)
        #expect(renew(&keeper, [mine("x", 1)]) == LeaseKeeper.Actions())
        let view = ReplicaView(id: "new", replicas: ["me", "new"], leases: [mine("x", 1)])
        #expect(keeper.joined(view, at: .zero, askedAt: .zero) == LeaseKeeper.Actions())
        #expect(renew(&keeper, [mine("x", 1)]) == LeaseKeeper.Actions())
        keeper.claimed([lease("x", 2)])
        #expect(keeper.held.isEmpty && keeper.replica == "new")
    }

    @Test("A replica that joins again without having learned that its registration has expired loses what it held")
    func joinedAgain() {
        var keeper = holder("x", epoch: 1)
        let view = ReplicaView(id: "new", replicas: ["new"], leases: [free("x", 1)])
        let actions = keeper.joined(view, at: .zero, askedAt: .zero)
        #expect(actions == LeaseKeeper.Actions(claim: ["x"], lost: [lease("x", 1)]))
    }

    private func holder(_ name: String, epoch: Int64) -> LeaseKeeper {
        var keeper = LeaseKeeper(names: ["x", "y", "z"], lifetime: .seconds(10))
        _ = keeper.joined(view([free(name, epoch - 1)]), at: .zero, askedAt: .zero)
        keeper.claimed([lease(name, epoch)])
        return keeper
    }

    private func renew(
        _ keeper: inout LeaseKeeper,
        _ leases: [ReplicaView.Lease],
        _ replicas: [String] = ["me"]
    ) -> LeaseKeeper.Actions {
        keeper.renewed(view(leases, replicas), at: .seconds(1), askedAt: .seconds(1))
    }

    private func view(_ leases: [ReplicaView.Lease], _ replicas: [String] = ["me"]) -> ReplicaView {
        ReplicaView(id: "me", replicas: replicas, leases: leases)
    }

    private func lease(_ name: String, _ epoch: Int64) -> HeldLease {
        HeldLease(name: name, replica: "me", epoch: epoch)
    }

    private func mine(_ name: String, _ epoch: Int64) -> ReplicaView.Lease {
        .init(name: name, holder: "me", epoch: epoch)
    }

    private func free(_ name: String, _ epoch: Int64) -> ReplicaView.Lease {
        .init(name: name, holder: nil, epoch: epoch)
    }

    private func other(_ name: String, _ epoch: Int64) -> ReplicaView.Lease {
        .init(name: name, holder: "other", epoch: epoch)
    }
}
