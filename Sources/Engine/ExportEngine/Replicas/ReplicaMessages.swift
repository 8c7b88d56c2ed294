import ExportLedger
import Exports
import Synchronization

/// What messages between replicas are about.
enum ReplicaTopic {
    /// An export is to be polled now, because a caller waits. The body is its id.
    static let refresh = "refresh"
    /// That poll is over. The body is the export's id.
    static let refreshed = "refreshed"
}

/// The polls that callers of this replica wait for and another one makes, and those that others have asked this one for.
final class RemoteRefreshes: Sendable {
    private struct State {
        var waiting: [ExportID: [Signal]] = [:]
        var requests: [ReplicaMessage] = []
    }

    /// The most requests of other replicas that wait. A further one is dropped: its caller is answered with the known state.
    static let limit = 256
    /// The most polls for other replicas at a time.
    static let atOnce = 16

    private let state = Mutex(State())
    /// Fired when there is a request.
    let news = Signal()

    /// Another replica asks for a poll.
    func isAsked(_ message: ReplicaMessage) {
        state.withLock { if $0.requests.count < Self.limit { $0.requests.append(message) } }
        news.fire()
    }

    func next() -> ReplicaMessage? { state.withLock { $0.requests.isEmpty ? nil : $0.requests.removeFirst() } }

    /// A caller waits until the poll of an export is over.
    func wait(for id: ExportID) -> Signal {
        let signal = Signal()
        state.withLock { $0.waiting[id, default: []].append(signal) }
        return signal
    }

    func end(_ signal: Signal, for id: ExportID) {
        state.withLock { state in
            state.waiting[id]?.removeAll { $0 === signal }
            if state.waiting[id]?.isEmpty == true { state.waiting[id] = nil }
        }
    }

    /// The poll of an export is over.
    func isOver(_ id: ExportID) {
        for signal in state.withLock({ $0.waiting.removeValue(forKey: id) }) ?? [] { signal.fire() }
    }
}
