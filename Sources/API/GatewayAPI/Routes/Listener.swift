/// Which operations a listener serves. All others answer 404.
enum Listener: Sendable {
    /// The only listener: everything but what needs one for the platform.
    case everything
    /// The listener for callers, beside one for the platform.
    case callers
    /// The listener for the platform: only probes, metrics and the reload of the configuration.
    case platform

    func has(_ operation: Operation) -> Bool {
        switch self {
        // Callers have nothing to do with the configuration.
        case .everything: operation != .reloadConfiguration
        // The probes are served here too, because load balancers check the port with the traffic.
        case .callers: ![.getMetrics, .reloadConfiguration].contains(operation)
        case .platform: [.getLiveness, .getReadiness, .getMetrics, .reloadConfiguration].contains(operation)
        }
    }
}
