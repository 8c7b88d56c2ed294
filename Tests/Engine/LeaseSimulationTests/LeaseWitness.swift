/// Watches the table from outside, without the comparison that the table makes, and says what must never happen.
struct LeaseWitness {
    /// What was found. A schedule is correct where all are zero.
    struct Violations: Equatable {
        /// Progress was accepted from a writer that was not the present owner.
        var staleWrites = 0
        /// A settled export was changed.
        var reverted = 0
        /// An export was started for a second time.
        var startedTwice = 0
        /// A lease was claimed while another replica might begin work under it, by its own clock.
        var twoHolders = 0
        /// A lease was not held, an export not finished, or the spread not even, long after the last fault.
        var unfinished = 0

        static func += (sum: inout Self, next: Self) {
            sum.staleWrites += next.staleWrites
            sum.reverted += next.reverted
            sum.startedTwice += next.startedTwice
            sum.twoHolders += next.twoHolders
            sum.unfinished += next.unfinished
        }
    }

    private struct Grant {
        var replica = 0
        var epoch: Int64 = 0
        var isFreed = true
    }

    private(set) var violations = Violations()
    /// The last grant of each lease.
    private var grants: [Grant]
    /// Who took each export last.
    private var owners: [LeaseTable.Owner] = []
    private var starts: [Int] = []

    init(leases: Int) { grants = Array(repeating: Grant(), count: leases) }

    mutating func granted(_ lease: Int, to replica: Int, epoch: Int64) {
        grants[lease] = Grant(replica: replica, epoch: epoch, isFreed: false)
    }

    mutating func freed(_ lease: Int, epoch: Int64) {
        if grants[lease].epoch == epoch { grants[lease].isFreed = true }
    }

    mutating func left(_ replica: Int) {
        for lease in grants.indices where grants[lease].replica == replica { grants[lease].isFreed = true }
    }

    mutating func inserted(owner: LeaseTable.Owner) {
        owners.append(owner)
        starts.append(0)
    }

    mutating func tookOver(_ export: Int, owner: LeaseTable.Owner) { owners[export] = owner }

    mutating func wrote(
        _ write: LeaseTable.Write,
        over before: LeaseTable.Phase,
        expiresAt: (Int) -> Int64?,
        now: Int64
    ) {
        if before == .settled, write.phase != .settled { violations.reverted += 1 }
        let isPresent: Bool
        switch write.owner {
        case .nobody: isPresent = false
        case .own(let replica): isPresent = expiresAt(replica).map { now < $0 } ?? false
        case .lease(let lease, let replica, let epoch):
            let grant = grants[lease]
            isPresent =
                grant.epoch == epoch && grant.replica == replica && !grant.isFreed
                && (expiresAt(replica).map { now < $0 } ?? false)
        }
        if !isPresent || owners[write.export] != write.owner { violations.staleWrites += 1 }
    }

    mutating func started(_ export: Int) {
        starts[export] += 1
        if starts[export] > 1 { violations.startedTwice += 1 }
    }

    mutating func foundTwoHolders() { violations.twoHolders += 1 }

    mutating func foundUnfinished() { violations.unfinished += 1 }
}
