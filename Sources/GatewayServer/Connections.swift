import EntraIdentity
import ExportEngine
import Exports
import Logging
import Metrics
import UpstreamHTTP

/// Makes the connections of a configuration: for each its credential, its client and its adapter.
struct Connections {
    let transport: UpstreamTransport
    let time: any TimeSource
    let logger: Logger
    let metrics: any MetricsFactory

    /// What the engine tracks exports on.
    func engineConnection(_ connection: ConnectionConfiguration) -> EngineConnection {
        let client = UpstreamClient(
            settings: .init(
                connection: connection.name,
                bearerHosts: connection.adapter.bearerHosts,
                openHosts: connection.adapter.openHosts,
                budget: connection.budget
            ),
            transport: transport,
            tokens: tokens(connection),
            time: time,
            logger: logger,
            metrics: metrics
        )
        let provider = connection.adapter.make(client)
        var descriptor = type(of: provider).descriptor
        descriptor.capabilities.minimumPollInterval = connection.pollInterval
        // Whoever passes the caller's token through can do nothing without one, whatever the upstream would allow.
        descriptor.capabilities.delegatedOnly = connection.isPassThrough
        return EngineConnection(name: connection.name, provider: provider, descriptor: descriptor)
    }

    /// Where the connection's tokens come from.
    func tokens(_ connection: ConnectionConfiguration) -> any AccessTokenSource {
        switch connection.credential {
        case .passThrough: return PassThroughTokenSource(scope: connection.adapter.scopes[0])
        case .clientSecret(let authority, let tenantID, let clientID, let clientSecret):
            let client = UpstreamClient(
                settings: .init(connection: connection.name, bearerHosts: [:], openHosts: [.origin(of: authority)]),
                transport: transport,
                tokens: PassThroughTokenSource(scope: connection.adapter.scopes[0]),
                time: time,
                logger: logger,
                metrics: metrics
            )
            return EntraTokenSource(
                authority: authority,
                tenant: tenantID,
                clientID: clientID,
                credential: .clientSecret(clientSecret),
                client: client,
                time: time
            )
        }
    }
}
