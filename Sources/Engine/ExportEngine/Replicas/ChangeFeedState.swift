import Exports
import Metrics
import Synchronization

/// How well this replica knows what the others change.
final class ChangeFeedState: Sendable {
    private struct State {
        /// The number of the last change that was applied; nil before this process is a replica.
        var sequence: Int64?
        var isCurrent = false
        /// Since when it is not current, as a time of `TimeSource.elapsed`.
        var behindSince = Duration.zero
    }

    private let state = Mutex(State())
    private let lag: Meter
    private let connected: Meter

    init(metrics: any MetricsFactory) {
        lag = Meter(label: "export_gateway_feed_lag_seconds", dimensions: [], factory: metrics)
        connected = Meter(label: "export_gateway_feed_connected", dimensions: [], factory: metrics)
        lag.set(0)
        connected.set(0)
    }

    var sequence: Int64? { state.withLock { $0.sequence } }
    /// Whether every change was applied that other replicas made, but for those of this moment.
    var isCurrent: Bool { state.withLock { $0.isCurrent } }

    /// The position from which changes are followed.
    func begins(at sequence: Int64) { state.withLock { $0.sequence = sequence } }

    /// Changes up to this number were applied.
    func applied(through sequence: Int64, isAll: Bool, at now: Duration) {
        let behind = state.withLock { state -> Duration in
            state.sequence = sequence
            if isAll { state.isCurrent = true }
            return state.isCurrent ? .zero : now - state.behindSince
        }
        connected.set(1)
        lag.set(behind / .seconds(1))
    }

    /// Notifications may have been lost. Returns whether that is new.
    func isLost(at now: Duration) -> Bool {
        let (isNew, behind) = state.withLock { state -> (Bool, Duration) in
            let isNew = state.isCurrent
            if isNew { (state.isCurrent, state.behindSince) = (false, now) }
            return (isNew, now - state.behindSince)
        }
        connected.set(0)
        lag.set(behind / .seconds(1))
        return isNew
    }
}
