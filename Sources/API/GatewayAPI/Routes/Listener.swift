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
        // The probes are served here too, because load balancers check the port with the traffic.
        case .callers: operation != .getMetrics
        case .platform: [.getLiveness, .getReadiness, .getMetrics].contains(operation)
        }
    }
}
