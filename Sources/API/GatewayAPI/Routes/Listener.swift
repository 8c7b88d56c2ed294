/// Which operations an address serves: the rest is not there, as if nobody had ever thought of it.
enum Listener: Sendable {
    /// The only one: everything.
    case everything
    /// The one for callers, beside one for the platform.
    case callers
    /// The one for the platform alone: probes and metrics, and no caller's business.
    case platform

    func has(_ operation: Operation) -> Bool {
        switch self {
        case .everything: true
        // The probes stay: load balancers look where the traffic goes.
        case .callers: operation != .getMetrics
        case .platform: [.getLiveness, .getReadiness, .getMetrics].contains(operation)
        }
    }
}
