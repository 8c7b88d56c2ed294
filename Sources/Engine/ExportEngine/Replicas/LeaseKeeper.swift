import ExportLedger

/// Decides what a replica does about its leases, from what the ledger tells it. A state machine without I/O.
///
/// Every action of it can fail or be late: the ledger alone decides who holds a lease, and compares it with each write. This
/// type only spreads the leases evenly, says what this replica may believe, and stops it in time. Times are those of
/// `TimeSource.elapsed()`.
///
/// The actions end while no replica comes or goes: a lease is free only where its holder has ended or has handed it over, and
/// each lease is handed over at most ``handOverLimit`` times until a replica comes or goes. Where replicas have joined with
/// different leases, the spread can therefore stay uneven, but no lease stays free.
struct LeaseKeeper: Sendable {
    /// What is to be done after a view. Its parts concern different leases.
    struct Actions: Sendable, Equatable {
        /// Free leases to claim. What the ledger gave is passed to ``LeaseKeeper/claimed(_:)``.
        var claim: [String] = []
        /// A lease to free as soon as nothing that must end first is under way for it; no new work begins for it. When it is
        /// free in the ledger, it is passed to ``LeaseKeeper/freed(_:)``. Until then, each view asks for it again.
        var handOver: HeldLease?
        /// Leases that this replica believed to hold and does not hold: their work is dropped.
        var lost: [HeldLease] = []
        /// Leases that this replica holds without having learned it, because the answer to a claim was lost. They are already
        /// among `held`: work for them begins, as after a claim.
        var found: [HeldLease] = []
    }

    /// How often one lease is handed over before a replica comes or goes.
    static let handOverLimit = 3

    /// The leases that this replica can hold.
    private let names: Set<String>
    private let lifetime: Duration
    /// The id of this replica; nil where it has no registration.
    private(set) var replica: String?
    /// The leases that this replica believes to hold, in the order in which it got them.
    private(set) var held: [HeldLease] = []
    /// Until when this replica may begin work.
    private var validUntil: Duration?
    /// What the last view said.
    private var last: ReplicaView?
    /// Free in the last view.
    private var free: [String] = []
    /// What is to be handed over and is not free yet: no new work begins for it.
    private(set) var leaving: HeldLease?
    /// What was handed over and nobody has claimed yet: the next one waits for that.
    private var offered: HeldLease?
    /// What was freed after the last view. The next view may have been asked for before.
    private var freed: [HeldLease] = []
    /// How often each lease was handed over since a replica came or went.
    private var handOvers: [String: Int] = [:]

    /// A replica without a registration.
    ///
    /// - Parameters:
    ///   - names: The leases that this replica can hold.
    ///   - lifetime: How long the registration is valid unless it is renewed.
    init(names: Set<String>, lifetime: Duration) {
        (self.names, self.lifetime) = (names, lifetime)
    }

    /// The replica was registered. Whatever it held with an earlier id is lost.
    ///
    /// - Parameters:
    ///   - now: When the answer came.
    ///   - askedAt: When the request was sent: the registration is counted from then.
    mutating func joined(_ view: ReplicaView, at now: Duration, askedAt: Duration) -> Actions {
        let before = registrationExpired()
        replica = view.id
        var actions = renewed(view, at: now, askedAt: askedAt)
        actions.lost += before
        return actions
    }

    /// The registration was renewed. Times as for `joined`. The answer to a request under an earlier id changes nothing.
    ///
    /// A view that is older than the registration's validity gives nothing to claim and nothing to hand over.
    mutating func renewed(_ view: ReplicaView, at now: Duration, askedAt: Duration) -> Actions {
        guard view.id == replica else { return Actions() }
        let until = askedAt + lifetime - lifetime / 20
        validUntil = max(validUntil ?? until, until)
        if view.candidates != last?.candidates { handOvers = [:] }
        var actions = Actions()
        compare(with: view, &actions)
        if now < until { spread(over: view, &actions) }
        last = view
        freed = []
        return actions
    }

    /// The ledger gave these leases to this replica. Those of an earlier registration, and those that a view has shown to be
    /// gone since, are not taken.
    mutating func claimed(_ leases: [HeldLease]) {
        for lease in leases where lease.replica == replica {
            if let last, last.contradicts(lease) { continue }
            if let index = held.firstIndex(where: { $0.name == lease.name }) {
                if held[index].epoch < lease.epoch { held[index] = lease }
            } else {
                held.append(lease)
            }
        }
    }

    /// The lease is free in the ledger.
    mutating func freed(_ lease: HeldLease) {
        held.removeAll { $0 == lease }
        freed.append(lease)
        if leaving == lease { (leaving, offered) = (nil, lease) }
    }

    /// The registration has expired or was removed. Returns what was held and is lost.
    mutating func registrationExpired() -> [HeldLease] {
        let lost = held
        self = LeaseKeeper(names: names, lifetime: lifetime)
        return lost
    }

    /// Whether this replica may begin work, such as a call that starts a job: its registration is valid for certain by its own
    /// clock, with 5 % of the lifetime for clocks that run at different rates.
    func isValid(at now: Duration) -> Bool { validUntil.map { now < $0 } ?? false }

    /// The lease of this name, if this replica believes to hold it.
    func holds(_ name: String) -> HeldLease? { held.first { $0.name == name } }

    /// Corrects what this replica believes to hold. What is newer than the view stays: it was claimed while the view was on
    /// its way.
    private mutating func compare(with view: ReplicaView, _ actions: inout Actions) {
        held.removeAll { lease in
            let isLost = view.contradicts(lease)
            if isLost { actions.lost.append(lease) }
            return isLost
        }
        for seen in view.leases where seen.holder == replica && holds(seen.name) == nil {
            let lease = HeldLease(name: seen.name, replica: view.id, epoch: seen.epoch)
            guard !freed.contains(lease) else { continue }
            held.append(lease)
            actions.found.append(lease)
        }
        if let lease = leaving, !held.contains(lease) { leaving = nil }
        if let lease = offered {
            let seen = view.lease(lease.name)
            let isFree = seen.map { $0.epoch == lease.epoch && ($0.holder == nil || freed.contains(lease)) } ?? false
            if !isFree { offered = nil }
        }
    }

    /// Decides what to claim and what to hand over.
    private mutating func spread(over view: ReplicaView, _ actions: inout Actions) {
        guard var spread = LeaseSpread(view) else { return }
        let names = view.leases.compactMap { spread.isFree($0) ? $0.name : nil }
        for name in names {
            let isMine = spread.give()
            // Who should have claimed it does not: it is stopped, or has not joined with it.
            let isLeftOver = free.contains(name)
            if isMine || isLeftOver, self.names.contains(name) { actions.claim.append(name) }
        }
        free = names
        if leaving == nil, offered == nil, actions.claim.isEmpty, spread.handsOver() {
            leaving = held.filter { handOvers[$0.name, default: 0] < Self.handOverLimit }
                .min { (handOvers[$0.name, default: 0], $0.name) < (handOvers[$1.name, default: 0], $1.name) }
            if let leaving { handOvers[leaving.name, default: 0] += 1 }
        }
        actions.handOver = leaving
    }
}

extension ReplicaView {
    /// The lease of this name.
    fileprivate func lease(_ name: String) -> Lease? { leases.first { $0.name == name } }

    /// Whether the lease was not held any more when this was seen.
    fileprivate func contradicts(_ held: HeldLease) -> Bool {
        guard let lease = lease(held.name) else { return true }
        return lease.epoch > held.epoch || (lease.epoch == held.epoch && lease.holder != held.replica)
    }
}
