import ExportLedger

/// How many leases each replica has in a view, and how many it should have. All replicas that see the same view come to the
/// same result, so no two act for the same reason.
struct LeaseSpread {
    private let replicas: [String]
    /// The index of this replica.
    private let me: Int
    /// The leases of each replica, by its index.
    private var counts: [Int]

    /// Counts the leases of a view; nil where this replica is not among the live ones.
    init?(_ view: ReplicaView) {
        guard let me = view.candidates.firstIndex(of: view.id) else { return nil }
        (replicas, self.me) = (view.candidates, me)
        counts = Array(repeating: 0, count: view.candidates.count)
        for lease in view.leases {
            if let holder = holder(of: lease) { counts[holder] += 1 }
        }
    }

    /// Whether nobody holds the lease who could work.
    func isFree(_ lease: ReplicaView.Lease) -> Bool { holder(of: lease) == nil }

    /// Gives the next free lease to the replica that has the fewest, the first of them by its id. Returns whether it is this one.
    mutating func give() -> Bool {
        let receiver = leastLoaded()
        counts[receiver] += 1
        return receiver == me
    }

    /// Whether this replica hands over a lease, after all free ones were given. Each replica hands over one at most, those with
    /// the most leases first, as long as another one has at least two fewer.
    mutating func handsOver() -> Bool {
        guard counts[me] - counts[leastLoaded()] >= 2 else { return false }
        let before = counts
        for giver in counts.indices.sorted(by: { (before[$1], $0) < (before[$0], $1) }) {
            let receiver = leastLoaded()
            guard counts[giver] - counts[receiver] >= 2 else { return false }
            if giver == me { return true }
            counts[giver] -= 1
            counts[receiver] += 1
        }
        return false
    }

    private func leastLoaded() -> Int {
        var least = 0
        for index in counts.indices where counts[index] < counts[least] { least = index }
        return least
    }

    private func holder(of lease: ReplicaView.Lease) -> Int? {
        lease.holder.flatMap { replicas.firstIndex(of: $0) }
    }
}
