public import Exports

/// A ledger that several replicas of the gateway share. A replica is one running process; an object of this type is used by one.
///
/// Who works on an export is decided here, by the clock of the storage alone. A replica has a *registration*, which expires
/// unless it is renewed. With a registration, it can hold *leases*. A lease stands for connections that share one request budget,
/// and has an epoch, which grows with each change of its holder. A lease is free when nobody holds it, and when the registration
/// of its holder has expired. See https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html for why an expiry
/// alone is not enough: every update with a fence is also compared, in the statement that makes it, with the lease.
///
/// An export's `leaseOwner` is one of
/// - the token of a lease (``HeldLease/token``): the holder of that lease works on it, while the lease has that epoch;
/// - the id of a replica: the *own lease* of an export that needs secrets which are in the memory of that replica only;
/// - nil: nobody works on it yet.
///
/// `update` with a fence returns `stale`, and changes nothing, unless the export's `leaseOwner` belongs to this replica at the
/// time of the commit: it is the replica's id, or the token of a lease that the replica holds, and the registration has not
/// expired. A replica that was stopped or cut off so long that its registration expired therefore changes nothing when it
/// goes on.
public protocol ReplicatedLedger: ExportLedger {
    /// Registers this process as a replica with a new id, which no replica has had before.
    ///
    /// Leases that do not exist are created. Throws `StartupError` that names the configuration key where a live replica has
    /// other `secrets`; the first replica sets them.
    ///
    /// - Parameters:
    ///   - lifetime: How long the registration is valid unless it is renewed, by the storage's clock.
    ///   - leases: What this replica can work on: the names of its leases, with their connections.
    ///   - secrets: Digests of secrets that must be the same on all replicas, by the configuration key.
    func join(
        lifetime: Duration,
        leases: [String: Set<LeasedConnection>],
        secrets: [String: String]
    ) async throws -> ReplicaView

    /// Renews the registration. Returns nil, and changes nothing, where it has expired, and where the outcome of a write of this
    /// replica could not be determined (its connection was lost at the commit, and the storage did not answer in time): the
    /// replica then owns nothing, and has to join again, so that everything is taken over again.
    func renew() async throws -> ReplicaView?

    /// Claims those of these leases that are free, in one transaction, and only those that this replica has joined with. Returns the
    /// ones it got. Empty where the registration has expired.
    func claim(_ names: [String]) async throws -> [HeldLease]

    /// Frees a lease, if this replica still holds it with this epoch.
    func free(_ lease: HeldLease) async throws

    /// Says that this replica takes no more leases, because it is about to end: the others spread them without it. It keeps what it
    /// holds until it frees that. It ends with the registration.
    func retire() async throws

    /// Frees all leases and removes the registration, so that others can go on at once.
    func leave() async throws

    /// Takes over exports of a lease's connections like ``ExportLedger/takeOver(by:after:limit:_:)``, with the token as the owner,
    /// but not those that are under the own lease of a live replica. With `ids`, only those of them, however many. Empty, without a
    /// change, where this replica does not hold the lease any more.
    func takeOver(
        for lease: HeldLease,
        only ids: [ExportID]?,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage

    /// Takes over the unfinished exports whose connection no live replica has joined with, like `takeOver(for:…)`. Only the holder
    /// of `lease` does this, so that one replica does it.
    func takeOverUnconfigured(
        for lease: HeldLease,
        after: ExportID?,
        limit: Int,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> TakeOverPage

    /// The number of the last visible change.
    func lastSequence() async throws -> Int64

    /// Waits until other replicas have made visible changes after `sequence`, and returns them in the order of `events`. A change
    /// that this replica made itself is left out; the position goes past it. Returns without changes when `patience` has passed, so
    /// that the caller learns that the connection still works.
    ///
    /// Throws `LedgerError` as soon as notifications can be lost: what was read before may be old then. The next call listens
    /// again, and returns everything after `sequence`.
    func nextChanges(after sequence: Int64, limit: Int, patience: Duration) async throws -> ReplicaChanges

    /// Takes a place for one more download of a caller. Returns false, and takes none, where the caller has `limit` places on all
    /// replicas whose registration is valid, and while this process is no replica. The places end with the registration.
    func takeDownloadPlace(_ id: ExportID, of caller: String, limit: Int) async throws -> Bool

    /// Gives places of this replica back.
    func giveBackDownloadPlaces(_ ids: [ExportID]) async throws

    /// Sends a message to the other replicas, or to one of them. At most once: it can be lost. At most 7,000 bytes of UTF-8.
    func send(_ message: ReplicaMessage) async throws

    /// Sets who gets the messages of other replicas. Called on a thread of the ledger, which must not be blocked.
    func receive(_ handler: @escaping @Sendable (ReplicaMessage) -> Void)
}

/// A connection as leases know it.
public struct LeasedConnection: Sendable, Hashable {
    public var provider: ProviderID
    public var connection: String

    /// Names a connection.
    public init(provider: ProviderID, connection: String) {
        (self.provider, self.connection) = (provider, connection)
    }
}

/// A lease that a replica holds.
public struct HeldLease: Sendable, Hashable {
    public var name: String
    /// The id of the replica.
    public var replica: String
    /// It grows with each change of the holder.
    public var epoch: Int64

    /// Makes a lease.
    public init(name: String, replica: String, epoch: Int64) {
        (self.name, self.replica, self.epoch) = (name, replica, epoch)
    }

    /// The `leaseOwner` of the exports that are worked on under this lease.
    public var token: String { "\(replica)/\(epoch)/\(name)" }
}

/// What a replica learns of the others when it registers and whenever it renews its registration.
public struct ReplicaView: Sendable, Hashable {
    /// A lease as it is stored.
    public struct Lease: Sendable, Hashable {
        public var name: String
        /// The replica that holds it; nil where it is free.
        public var holder: String?
        public var epoch: Int64

        /// Makes a lease.
        public init(name: String, holder: String?, epoch: Int64) {
            (self.name, self.holder, self.epoch) = (name, holder, epoch)
        }
    }

    /// The id of this replica.
    public var id: String
    /// The ids of all replicas whose registration is valid, this one included, sorted.
    public var replicas: [String]
    /// Those of `replicas` that take leases.
    public var candidates: [String]
    /// Those that this replica has joined with, sorted by their names.
    public var leases: [Lease]

    /// Makes a view. Without `candidates`, all replicas take leases.
    public init(id: String, replicas: [String], candidates: [String]? = nil, leases: [Lease]) {
        (self.id, self.replicas, self.leases) = (id, replicas, leases)
        self.candidates = candidates ?? replicas
    }
}

/// Visible changes that other replicas have made.
public struct ReplicaChanges: Sendable, Hashable {
    public var events: [RecordedEvent]
    /// Everything up to this number was read: the next call goes on after it.
    public var through: Int64
    /// Whether there are more, because `limit` was reached.
    public var hasMore: Bool

    /// Makes a page of changes.
    public init(events: [RecordedEvent], through: Int64, hasMore: Bool) {
        (self.events, self.through, self.hasMore) = (events, through, hasMore)
    }
}

/// A message between replicas.
public struct ReplicaMessage: Sendable, Hashable {
    public var from: String
    /// Nil for all others.
    public var to: String?
    /// What it is about, such as `budget`.
    public var topic: String
    public var body: String

    /// Makes a message.
    public init(from: String, to: String?, topic: String, body: String) {
        (self.from, self.to, self.topic, self.body) = (from, to, topic, body)
    }
}
