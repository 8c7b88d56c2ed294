public import Exports
import NIOCore
import NIOPosix
import UpstreamHTTP

/// The ways out of a configuration: a transport, with connections of its own, for each `egress` that there is.
struct WaysOut: Sendable {
    /// For what is on this machine or beside it: managed identities. Never through a proxy.
    let nearby: UpstreamTransport
    /// For the keys of callers' tokens.
    let callers: UpstreamTransport
    /// For spans.
    let traces: UpstreamTransport
    private let byDefault: UpstreamTransport
    private let ofConnections: [String: UpstreamTransport]
    /// All that have been made here.
    private let made: [UpstreamTransport]

    /// `base` is for calls that nothing is said of, and is closed with the others.
    init(_ configuration: GatewayConfiguration, base: UpstreamTransport) {
        var made: [UpstreamTransport] = []
        func transport(_ egress: Egress?) -> UpstreamTransport? {
            guard let egress else { return nil }
            made.append(base.leaving(by: egress))
            return made.last
        }
        nearby = base
        byDefault = transport(configuration.egress) ?? base
        callers = transport(configuration.server.entra?.egress) ?? byDefault
        traces = transport(configuration.traces?.egress) ?? byDefault
        var ofConnections: [String: UpstreamTransport] = [:]
        for connection in configuration.connections {
            ofConnections[connection.name] = transport(connection.egress)
        }
        self.ofConnections = ofConnections
        self.made = made + [base]
    }

    /// For everything that is called for a connection: its authority, its API and its download hosts.
    func transport(of connection: ConnectionConfiguration) -> UpstreamTransport {
        ofConnections[connection.name] ?? byDefault
    }

    /// Closes every connection. Calls under way fail.
    func shutdown() async throws { for transport in made { try await transport.shutdown() } }
}

extension GatewayConfiguration {
    /// How calls for a connection go out.
    func egress(of connection: ConnectionConfiguration) -> Egress { connection.egress ?? egress ?? Egress() }

    /// Throws `StartupError` where connections are to come from an address that this machine does not have.
    public func checkSourceAddresses() async throws(StartupError) {
        let ofConnections = connections.enumerated().map { ("connections[\($0)].egress", $1.egress) }
        let others = [
            ("egress", egress), ("server.entra.egress", server.entra?.egress), ("traces.egress", traces?.egress),
        ]
        for (path, egress) in others + ofConnections {
            guard let text = egress?.sourceAddress else { continue }
            do {
                let address = try SocketAddress(ipAddress: text, port: 0)
                try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(to: address).get()
                    .close()
            } catch {
                throw StartupError(path + ".sourceAddress", "\(text) is not an address of this machine")
            }
        }
    }
}

/// Tells how calls go out. `export-gateway check` shows the result.
public enum EgressCheck {
    /// One finding for each connection, for `server.entra` and for `traces`, where anything is said of ways out.
    public static func run(_ configuration: GatewayConfiguration) -> [ConnectionCheck.Finding] {
        let entra = configuration.server.entra
        let isStated =
            configuration.egress != nil || entra?.egress != nil || configuration.traces?.egress != nil
            || configuration.connections.contains { $0.egress != nil }
        guard isStated else { return [] }
        let ofCallers = entra.map { ("server.entra", $0.egress ?? configuration.egress ?? Egress()) }
        let ofTraces = configuration.traces.map { ("traces", $0.egress ?? configuration.egress ?? Egress()) }
        let ways = configuration.connections.map { ($0.name, configuration.egress(of: $0)) }
        return ([ofCallers, ofTraces].compactMap(\.self) + ways)
            .map { .init(connection: $0, isGood: true, detail: "goes out \($1.words)") }
    }
}
