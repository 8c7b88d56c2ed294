/// What replicas share, as `ReplicatedLedger` promises it: each operation is one step, and time is the storage's clock.
///
/// Replicas are numbers here, and so are leases, by their position. Times are microseconds.
struct LeaseTable {
    /// Who works on an export.
    enum Owner: Equatable {
        case nobody
        /// The token of a lease.
        case lease(Int, replica: Int, epoch: Int64)
        /// The own lease of a replica.
        case own(Int)
    }

    /// How far an export is.
    enum Phase: UInt8 {
        case notStarted
        /// It is stored that a start may be made.
        case starting
        case running
        case settled
    }

    struct Record {
        var lease: Int
        var owner: Owner
        var phase = Phase.notStarted
        var polls: UInt8 = 0
        var fence: Int64 = 1
        var leaseEpoch: Int64 = 0
    }

    struct Registration {
        var replica: Int
        var expiresAt: Int64
    }

    struct Lease {
        var holder: Int?
        var epoch: Int64 = 0
    }

    /// Progress that a replica writes, with what it read.
    struct Write {
        var export: Int
        var fence: Int64
        var owner: Owner
        var phase: Phase
        var polls: UInt8
    }

    /// What an update compares.
    enum Fencing {
        /// The record's fence and owner, and that the owner is the present one. All others are wrong.
        case complete
        /// Only the record's fence, as one process with one ledger does.
        case fenceOnly
        /// Only the owner.
        case ownerOnly
        /// Nothing: whoever writes last wins.
        case none
    }

    let lifetime: Int64
    let fencing: Fencing
    private(set) var registrations: [Registration] = []
    private(set) var leases: [Lease]
    private(set) var exports: [Record] = []
    private var lastReplica = 0

    init(leases: Int, lifetime: Int64, fencing: Fencing) {
        (self.lifetime, self.fencing) = (lifetime, fencing)
        self.leases = Array(repeating: Lease(), count: leases)
    }

    func isLive(_ replica: Int, at now: Int64) -> Bool {
        for registration in registrations where registration.replica == replica { return registration.expiresAt > now }
        return false
    }

    func isFree(_ lease: Int, at now: Int64) -> Bool {
        guard let holder = leases[lease].holder else { return true }
        return !isLive(holder, at: now)
    }

    /// Whether this owner is the one that the table knows now.
    func isPresent(_ owner: Owner, at now: Int64) -> Bool {
        switch owner {
        case .nobody: false
        case .lease(let lease, let replica, let epoch):
            leases[lease].holder == replica && leases[lease].epoch == epoch && isLive(replica, at: now)
        case .own(let replica): isLive(replica, at: now)
        }
    }

    mutating func join(at now: Int64) -> Int {
        // What expired long ago is deleted.
        registrations.removeAll { $0.expiresAt + 10 * lifetime < now }
        lastReplica += 1
        registrations.append(Registration(replica: lastReplica, expiresAt: now + lifetime))
        return lastReplica
    }

    mutating func renew(_ replica: Int, at now: Int64) -> Bool {
        for index in registrations.indices where registrations[index].replica == replica {
            guard registrations[index].expiresAt > now else { return false }
            registrations[index].expiresAt = now + lifetime
            return true
        }
        return false
    }

    mutating func leave(_ replica: Int) {
        registrations.removeAll { $0.replica == replica }
        for index in leases.indices where leases[index].holder == replica { leases[index].holder = nil }
    }

    /// Claims those of `wanted` that are free. Returns them, with their epochs.
    mutating func claim(_ wanted: [Int], for replica: Int, at now: Int64) -> [(lease: Int, epoch: Int64)] {
        guard isLive(replica, at: now) else { return [] }
        var claimed: [(Int, Int64)] = []
        for lease in wanted where isFree(lease, at: now) {
            leases[lease].holder = replica
            leases[lease].epoch += 1
            claimed.append((lease, leases[lease].epoch))
        }
        return claimed
    }

    mutating func free(_ lease: Int, epoch: Int64, of replica: Int) {
        if leases[lease].holder == replica, leases[lease].epoch == epoch { leases[lease].holder = nil }
    }

    mutating func insert(lease: Int, owner: Owner) -> Int {
        exports.append(Record(lease: lease, owner: owner))
        return exports.count - 1
    }

    /// Takes over unfinished exports of a lease, in the order of their ids. The second result is where the next page begins.
    mutating func takeOver(
        _ lease: Int,
        epoch: Int64,
        for replica: Int,
        from first: Int,
        limit: Int,
        at now: Int64
    ) -> (taken: [Int], next: Int?) {
        let token = Owner.lease(lease, replica: replica, epoch: epoch)
        guard isPresent(token, at: now) else { return ([], nil) }
        var taken: [Int] = []
        var index = first
        while index < exports.count {
            let record = exports[index]
            if record.lease == lease, record.phase != .settled, record.owner != token, !isOwnOfLive(record.owner, now) {
                if taken.count == limit { return (taken, index) }
                exports[index].owner = token
                exports[index].fence += 1
                exports[index].leaseEpoch += 1
                taken.append(index)
            }
            index += 1
        }
        return (taken, nil)
    }

    /// Writes progress, in one step with the comparison. Returns false where it is stale: nothing was changed then.
    mutating func update(_ write: Write, at now: Int64) -> Bool {
        let record = exports[write.export]
        if fencing == .complete || fencing == .fenceOnly, record.fence != write.fence { return false }
        if fencing == .complete || fencing == .ownerOnly {
            guard record.owner == write.owner, isPresent(write.owner, at: now) else { return false }
        }
        exports[write.export].phase = write.phase
        exports[write.export].polls = write.polls
        return true
    }

    /// A caller cancels: whoever owns the export. The fence excludes what is under way.
    mutating func cancel(_ export: Int) {
        guard exports[export].phase != .settled else { return }
        exports[export].phase = .settled
        exports[export].fence += 1
    }

    private func isOwnOfLive(_ owner: Owner, _ now: Int64) -> Bool {
        if case .own(let replica) = owner { return isLive(replica, at: now) }
        return false
    }
}
