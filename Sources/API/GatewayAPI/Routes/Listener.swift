/// Which operations a listener serves. All others answer 404.
enum Listener: Sendable {
    /// The only listener: everything.
    case everything
    /// The listener for callers, beside one for the platform.
    case callers
    /// The listener for the platform: only probes and metrics.
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
