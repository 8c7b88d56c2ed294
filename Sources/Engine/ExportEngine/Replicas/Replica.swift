import ExportLedger
import Exports
import Metrics
import Synchronization

/// This process as one of several replicas that share a ledger: its registration, its leases, and its knowledge of the others.
final class Replica: Sendable {
    private struct State {
        var keeper: LeaseKeeper
        /// The leases whose exports are being taken over.
        var takingOver: Set<String> = []
        /// The leases that are being handed over.
        var handingOver: Set<HeldLease> = []
        /// Whether this replica gives all its leases away and claims none.
        var isRetiring = false
        var hasEnded = false
        /// Exports of this replica's callers that may have been stored after the take-over of their lease. There are no more of
        /// them than creates at a time.
        var created: Set<ExportID> = []
        /// The replicas of the last view.
        var replicas: Set<String> = []
        var nextSweep = Duration.zero
        var hasTakenOver = false
    }

    let ledger: any ReplicatedLedger
    /// Told one thing at a time.
    private let observer = Mutex<(any LeaseObserver)?>(nil)
    /// The leases that this replica can hold, with their connections.
    let leases: [String: Set<LeasedConnection>]
    /// The digests of what must be the same on all replicas, by the configuration key.
    let secrets: [String: String]
    let settings: EngineSettings
    /// Fired when the registration should be renewed before its time, and when the replica ends.
    let news = Signal()
    let feed: ChangeFeedState
    let refreshes = RemoteRefreshes()
    let endedPlaces = EndedPlaces()
    /// How many replicas the last view had, this one included.
    private let live = Atomic(1)
    private let state: Mutex<State>
    private let replicaCount: Meter
    private let heldCount: Meter
    private let lostCount: Counter

    /// The lease of the exports whose connection no replica has.
    static let unconfigured = "unconfigured connections"

    init(
        ledger: any ReplicatedLedger,
        connections: [EngineConnection],
        secrets: [String: String],
        settings: EngineSettings,
        metrics: any MetricsFactory
    ) {
        self.ledger = ledger
        self.secrets = secrets
        self.settings = settings
        var leases: [String: Set<LeasedConnection>] = [Self.unconfigured: []]
        for connection in connections {
            leases[connection.leaseName, default: []]
                .insert(LeasedConnection(provider: connection.descriptor.id, connection: connection.name))
        }
        self.leases = leases
        feed = ChangeFeedState(metrics: metrics)
        state = Mutex(
            State(keeper: LeaseKeeper(names: Set(leases.keys), lifetime: settings.leaseDuration))
        )
        replicaCount = Meter(label: "export_gateway_replicas", dimensions: [], factory: metrics)
        heldCount = Meter(label: "export_gateway_leases_held", dimensions: [], factory: metrics)
        lostCount = Counter(label: "export_gateway_lease_lost_total", dimensions: [], factory: metrics)
        replicaCount.set(0)
        heldCount.set(0)
    }

    /// How many replicas there are, this one included, by the last view of the registrations. It stays as it was while they cannot be
    /// read.
    var liveCount: Int { live.load(ordering: .relaxed) }

    /// The time between two renewals.
    var renewalInterval: Duration { settings.leaseDuration / 4 }

    var hasEnded: Bool { state.withLock { $0.hasEnded } }
    var isRetiring: Bool { state.withLock { $0.isRetiring } }
    var held: [HeldLease] { state.withLock { $0.keeper.held } }

    func observe(_ observer: (any LeaseObserver)?) { self.observer.withLock { $0 = observer } }

    /// Tells the observer, if there is one.
    func tell(_ body: (any LeaseObserver) -> Void) {
        observer.withLock { if let observer = $0 { body(observer) } }
    }

    /// Ends the work on leases and changes.
    func end() {
        state.withLock { $0.hasEnded = true }
        news.fire()
        refreshes.news.fire()
        endedPlaces.news.fire()
    }

    /// Gives no more leases to this replica.
    func retire() { state.withLock { $0.isRetiring = true } }

    // MARK: Views

    /// What a view means for this replica.
    struct Duties: Sendable {
        var actions: LeaseKeeper.Actions
        /// Whether exports may need a new owner: a replica has gone, or it is time for it.
        var isSweepDue: Bool
    }

    func joined(_ view: ReplicaView, askedAt: Duration, at now: Duration) -> Duties {
        sees(view, at: now) { $0.joined(view, at: now, askedAt: askedAt) }
    }

    func renewed(_ view: ReplicaView, askedAt: Duration, at now: Duration) -> Duties {
        sees(view, at: now) { $0.renewed(view, at: now, askedAt: askedAt) }
    }

    private func sees(
        _ view: ReplicaView,
        at now: Duration,
        _ act: (inout LeaseKeeper) -> LeaseKeeper.Actions
    ) -> Duties {
        let duties = state.withLock { state -> Duties in
            var actions = act(&state.keeper)
            if state.isRetiring {
                actions.claim = []
                actions.handOver = nil
            }
            let replicas = Set(view.replicas)
            let isSweepDue = !state.replicas.subtracting(replicas).isEmpty || now >= state.nextSweep
            state.replicas = replicas
            if isSweepDue { state.nextSweep = now + settings.sweepInterval }
            return Duties(actions: actions, isSweepDue: isSweepDue)
        }
        live.store(max(1, view.replicas.count), ordering: .relaxed)
        replicaCount.set(view.replicas.count)
        let holders = Dictionary(
            view.leases.compactMap { lease in lease.holder.map { (lease.name, $0) } },
            uniquingKeysWith: { first, _ in first }
        )
        tell { $0.sees(replicas: Set(view.replicas), holders: holders) }
        countHeld()
        return duties
    }

    func claimed(_ leases: [HeldLease]) {
        state.withLock { $0.keeper.claimed(leases) }
        countHeld()
    }

    func freed(_ lease: HeldLease) {
        state.withLock { state in
            state.keeper.freed(lease)
            state.handingOver.remove(lease)
        }
        countHeld()
    }

    /// The registration has expired. Returns what was held.
    func registrationExpired() -> [HeldLease] {
        let lost = state.withLock { state in
            state.handingOver = []
            return state.keeper.registrationExpired()
        }
        replicaCount.set(0)
        return lost
    }

    func wasLost(_ count: Int) {
        if count > 0 { lostCount.increment(by: count) }
        countHeld()
    }

    private func countHeld() { heldCount.set(held.count) }

    // MARK: Work on leases

    /// Begins to take over; false where that is under way.
    func beginTakeOver(_ lease: HeldLease) -> Bool { state.withLock { $0.takingOver.insert(lease.token).inserted } }

    /// Ends it. True for the first one that was completed.
    func endTakeOver(_ lease: HeldLease, isComplete: Bool) -> Bool {
        state.withLock { state in
            state.takingOver.remove(lease.token)
            guard isComplete, !state.hasTakenOver else { return false }
            state.hasTakenOver = true
            return true
        }
    }

    /// An export was stored that nobody may have taken over.
    func isCreated(_ id: ExportID) {
        state.withLock { _ = $0.created.insert(id) }
        news.fire()
    }

    func takeCreated() -> [ExportID] {
        state.withLock { state in
            defer { state.created = [] }
            return Array(state.created)
        }
    }

    /// Begins to hand over; false where that is under way.
    func beginHandOver(_ lease: HeldLease) -> Bool { state.withLock { $0.handingOver.insert(lease).inserted } }
    func isHandingOver(_ lease: HeldLease) -> Bool { state.withLock { $0.handingOver.contains(lease) } }
}
