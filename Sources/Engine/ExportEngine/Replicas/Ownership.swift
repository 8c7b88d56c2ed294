import ExportLedger
import Exports
import Synchronization

/// Which exports this engine works on.
///
/// An engine that has the ledger for itself works on all exports. On a ledger that several replicas share, it works on the exports
/// of the leases that it holds, and on those that are under its own lease.
final class Ownership: Sendable {
    private enum State {
        /// The engine has the ledger for itself. Its id is the owner of all exports.
        case sole(String)
        case shared(Shared)
    }

    private struct Shared {
        /// The id of the registration; nil before it joins, and after the registration has expired.
        var replica: String?
        /// The leases that are held, by their names.
        var leases: [String: HeldLease] = [:]
        /// Until when the registration is valid, as a time of `TimeSource.elapsed`.
        var validUntil = Duration.zero
    }

    private let state: Mutex<State>
    private let leaseNames: [ConnectionKey: String]

    /// The owner of everything.
    init(sole engineID: String) {
        state = Mutex(.sole(engineID))
        leaseNames = [:]
    }

    /// The owner of nothing yet. `leaseNames` has the name of each connection's lease.
    init(sharedBy leaseNames: [ConnectionKey: String]) {
        state = Mutex(.shared(Shared()))
        self.leaseNames = leaseNames
    }

    /// Whether the ledger is shared with other replicas.
    var isShared: Bool {
        state.withLock { if case .shared = $0 { true } else { false } }
    }

    /// The `leaseOwner` of exports under this engine's own lease; nil while it is not registered.
    var own: String? {
        state.withLock { state in
            switch state {
            case .sole(let id): id
            case .shared(let shared): shared.replica
            }
        }
    }

    /// The `leaseOwner` of a connection's exports; nil where this engine does not work on them.
    func owner(of connection: ConnectionKey) -> String? {
        state.withLock { state in
            switch state {
            case .sole(let id): id
            case .shared(let shared): leaseNames[connection].flatMap { shared.leases[$0]?.token }
            }
        }
    }

    /// The lease of a connection, where this replica holds it.
    func lease(of connection: ConnectionKey) -> HeldLease? {
        state.withLock { state in
            guard case .shared(let shared) = state else { return nil }
            return leaseNames[connection].flatMap { shared.leases[$0] }
        }
    }

    /// Whether this engine works on exports with this `leaseOwner`.
    func isMine(_ owner: String?) -> Bool {
        state.withLock { state in
            guard case .shared(let shared) = state else { return true }
            guard let owner else { return false }
            return owner == shared.replica || shared.leases.values.contains { $0.token == owner }
        }
    }

    /// Whether work that cannot be undone may begin now: by this engine's own monotonic clock, nobody else can have taken it over.
    func mayBegin(at now: Duration) -> Bool {
        state.withLock { state in
            guard case .shared(let shared) = state else { return true }
            return shared.replica != nil && now < shared.validUntil
        }
    }

    // MARK: Changes

    func registered(as replica: String?) {
        change { shared in
            guard shared.replica != replica else { return }
            shared = Shared(replica: replica)
        }
    }

    func isValid(until time: Duration) { change { $0.validUntil = time } }
    func gained(_ lease: HeldLease) { change { $0.leases[lease.name] = lease } }

    func lost(_ lease: HeldLease) {
        change { if $0.leases[lease.name] == lease { $0.leases[lease.name] = nil } }
    }

    private func change(_ body: (inout Shared) -> Void) {
        state.withLock { state in
            guard case .shared(var shared) = state else { return }
            body(&shared)
            state = .shared(shared)
        }
    }
}
