import Synchronization

/// The configuration that is in force.
final class CurrentConfiguration: Sendable {
    private let configuration: Mutex<GatewayConfiguration>

    init(_ configuration: GatewayConfiguration) {
        self.configuration = Mutex(configuration)
    }

    var value: GatewayConfiguration { configuration.withLock { $0 } }

    func replace(by configuration: GatewayConfiguration) { self.configuration.withLock { $0 = configuration } }
}
