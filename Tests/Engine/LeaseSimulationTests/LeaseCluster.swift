import ExportLedger

@testable import ExportEngine

/// Replicas with `LeaseKeeper` and a ledger that never fails: how leases spread, and with how many moves.
struct LeaseCluster {
    /// When the replicas of one heartbeat act.
    enum Order: CaseIterable, Sendable {
        /// One after the other: each sees what those before have done.
        case staggered
        /// All see the same view, and then all act.
        case together
    }

    let order: Order
    private(set) var leases: [ReplicaView.Lease]
    private(set) var keepers: [String: LeaseKeeper] = [:]
    /// What each replica has joined with.
    private var names: [String: Set<String>] = [:]
    private(set) var claims = 0
    private(set) var handOvers = 0
    /// Those that do nothing, although their registration is valid.
    var stopped: Set<String> = []
    private var now = Duration.zero

    init(leases count: Int, order: Order) {
        self.order = order
        leases = (0..<count).map { ReplicaView.Lease(name: "lease-\(10 + $0)", holder: nil, epoch: 0) }
    }

    var replicas: [String] { keepers.keys.sorted() }
    /// How many leases each replica holds, the fewest first.
    var spread: [Int] { keepers.values.map(\.held.count).sorted() }
    var isEven: Bool { (spread.last ?? 0) - (spread.first ?? 0) <= 1 && leases.allSatisfy { $0.holder != nil } }

    mutating func join(_ replica: String, names joined: Set<String>? = nil) {
        names[replica] = joined ?? Set(leases.map(\.name))
        keepers[replica] = LeaseKeeper(names: names[replica] ?? [], lifetime: .seconds(10))
        let view = view(for: replica)
        if let actions = keepers[replica]?.joined(view, at: now, askedAt: now) { act(replica, actions) }
    }

    /// It leaves, or its registration has expired.
    mutating func remove(_ replica: String) {
        keepers[replica] = nil
        for index in leases.indices where leases[index].holder == replica { leases[index].holder = nil }
    }

    /// One heartbeat of all. Returns whether anything was done.
    mutating func heartbeat() -> Bool {
        now += .milliseconds(2500)
        let before = (claims, handOvers)
        let views = replicas.map { ($0, view(for: $0)) }
        for (replica, seen) in views where !stopped.contains(replica) {
            let seen = order == .together ? seen : view(for: replica)
            if let actions = keepers[replica]?.renewed(seen, at: now, askedAt: now) { act(replica, actions) }
        }
        return before != (claims, handOvers)
    }

    /// Heartbeats until nothing was done in `quiet` of them. Returns how many were needed; nil where it takes more than `limit`.
    mutating func settle(within limit: Int, quiet: Int = 8) -> Int? {
        var last = 0
        for number in 1...limit + quiet {
            if heartbeat() { last = number }
            if number - last >= quiet { return last }
        }
        return nil
    }

    private func view(for replica: String) -> ReplicaView {
        ReplicaView(
            id: replica,
            replicas: replicas,
            leases: leases.filter { names[replica]?.contains($0.name) ?? false }
        )
    }

    private mutating func act(_ replica: String, _ actions: LeaseKeeper.Actions) {
        var claimed: [HeldLease] = []
        for name in actions.claim {
            guard let index = leases.firstIndex(where: { $0.name == name }), leases[index].holder == nil else {
                continue
            }
            leases[index].holder = replica
            leases[index].epoch += 1
            claims += 1
            claimed.append(HeldLease(name: name, replica: replica, epoch: leases[index].epoch))
        }
        keepers[replica]?.claimed(claimed)
        if let lease = actions.handOver, let index = leases.firstIndex(where: { $0.name == lease.name }) {
            leases[index].holder = nil
            handOvers += 1
            keepers[replica]?.freed(lease)
        }
    }
}
