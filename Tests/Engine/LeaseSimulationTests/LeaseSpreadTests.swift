import ExportLedger
import TestSupport
import Testing

@testable import ExportEngine

@Suite("Leases spread evenly over the live replicas")
struct LeaseSpreadTests {
    typealias Order = LeaseCluster.Order

    @Test("Replicas that start one after the other", arguments: Order.allCases, 1...7)
    func start(order: Order, replicas: Int) throws {
        for leases in 0...20 {
            var cluster = LeaseCluster(leases: leases, order: order)
            for number in 1...replicas { cluster.join("r\(number)") }
            let heartbeats = try settle(&cluster, within: 2 * leases + 4, "\(leases) leases")
            #expect(cluster.isEven, "\(leases) leases: \(cluster.spread)")
            // The first one had all of them, and hands over one at a time.
            #expect(cluster.handOvers == leases - leases.dividedUp(by: replicas), "\(leases) leases")
            #expect(heartbeats <= order.heartbeats(for: cluster.handOvers), "\(leases) leases")
        }
    }

    @Test("A replica that joins gets its share with the least possible moves", arguments: Order.allCases, 1...6)
    func join(order: Order, replicas: Int) throws {
        for leases in 0...20 {
            var cluster = try evenCluster(leases, replicas, order)
            let before = cluster.handOvers
            cluster.join("r9")
            let heartbeats = try settle(&cluster, within: 2 * leases + 4, "\(leases) leases")
            #expect(cluster.isEven, "\(leases) leases: \(cluster.spread)")
            #expect(cluster.handOvers - before == leases / (replicas + 1), "\(leases) leases")
            #expect(heartbeats <= order.heartbeats(for: leases / (replicas + 1)), "\(leases) leases")
        }
    }

    @Test("The leases of a replica that ends are claimed with the next heartbeat", arguments: Order.allCases, 2...7)
    func end(order: Order, replicas: Int) throws {
        for leases in 0...20 {
            var cluster = try evenCluster(leases, replicas, order)
            let before = (cluster.handOvers, cluster.claims)
            let held = try #require(cluster.keepers["r1"]).held.count
            cluster.remove("r1")
            let heartbeats = try settle(&cluster, within: 1, "\(leases) leases")
            #expect(heartbeats <= 1)
            #expect(cluster.isEven, "\(leases) leases: \(cluster.spread)")
            #expect(cluster.handOvers == before.0 && cluster.claims == before.1 + held, "\(leases) leases")
        }
    }

    @Test("Whatever comes and goes, the actions end and the spread is even", arguments: Order.allCases)
    func comeAndGo(order: Order) throws {
        var random = SeededRandom(seed: 11)
        for _ in 0..<200 {
            let leases = random.below(21)
            var cluster = LeaseCluster(leases: leases, order: order)
            cluster.join("r0")
            for number in 1...12 {
                if cluster.replicas.count > 1, random.below(2) == 0 {
                    cluster.remove(random.of(cluster.replicas))
                } else if cluster.replicas.count < 7 {
                    cluster.join("r\(number)")
                }
                for _ in 0..<random.below(4) { _ = cluster.heartbeat() }
            }
            try settle(&cluster, within: 2 * leases + 4, "\(leases) leases")
            #expect(cluster.isEven, "\(leases) leases: \(cluster.spread)")
        }
    }

    @Test("What a stopped replica should claim is claimed by another one at its second view")
    func leftOver() {
        var cluster = LeaseCluster(leases: 6, order: .staggered)
        for replica in ["a", "b", "c"] { cluster.join(replica) }
        _ = cluster.settle(within: 10)
        cluster.stopped = ["b"]
        cluster.remove("c")
        _ = cluster.heartbeat()
        #expect(cluster.leases.count { $0.holder == nil } == 1)
        _ = cluster.heartbeat()
        #expect(cluster.leases.allSatisfy { $0.holder != nil })
        // The even spread comes back when it goes on.
        cluster.stopped = []
        _ = cluster.settle(within: 10)
        #expect(cluster.isEven)
    }

    @Test("A replica that hands over in vain takes back its lease, and stops after some attempts")
    func inVain() throws {
        var cluster = LeaseCluster(leases: 3, order: .staggered)
        cluster.join("a")
        cluster.join("b")
        cluster.stopped = ["b"]
        try settle(&cluster, within: 3 * 3 * LeaseKeeper.handOverLimit)
        #expect(cluster.handOvers == 3 * LeaseKeeper.handOverLimit)
        #expect(cluster.keepers["a"]?.held.count == 3)
        // A change of the replicas is a reason to begin again.
        cluster.stopped = []
        cluster.remove("b")
        cluster.join("c")
        try settle(&cluster, within: 4)
        #expect(cluster.isEven)
    }

    @Test(
        "Replicas that have joined with different leases: nothing stays free, and the actions end",
        arguments: Order.allCases
    )
    func differentLeases(order: Order) throws {
        for seed in 1...100 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            var cluster = LeaseCluster(leases: 8, order: order)
            let all = cluster.leases.map(\.name)
            cluster.join("a")
            for replica in ["b", "c", "d"] {
                cluster.join(replica, names: Set(all.filter { _ in random.below(2) == 0 }))
            }
            try settle(&cluster, within: 4 * 8 * 3 * LeaseKeeper.handOverLimit, "\(seed)")
            #expect(cluster.leases.allSatisfy { $0.holder != nil }, "\(seed)")
        }
    }

    @discardableResult
    private func settle(_ cluster: inout LeaseCluster, within limit: Int, _ comment: Comment? = nil) throws -> Int {
        let heartbeats = cluster.settle(within: limit)
        return try #require(heartbeats, comment)
    }

    private func evenCluster(_ leases: Int, _ replicas: Int, _ order: Order) throws -> LeaseCluster {
        var cluster = LeaseCluster(leases: leases, order: order)
        for number in 1...replicas { cluster.join("r\(number)") }
        try settle(&cluster, within: 2 * leases + 4)
        try #require(cluster.isEven)
        return cluster
    }
}

extension LeaseCluster.Order {
    /// At most so many heartbeats for hand-overs one after the other. Where all see the same view, a lease that is handed over
    /// with one heartbeat is claimed with the next.
    fileprivate func heartbeats(for handOvers: Int) -> Int { (self == .together ? 2 : 1) * handOvers + 2 }
}

extension Int {
    fileprivate func dividedUp(by divisor: Int) -> Int { (self + divisor - 1) / divisor }
}
