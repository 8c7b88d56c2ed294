import EntraIdentity
import ExportEngine
import Exports
import Logging
import Metrics
import Pacing
import Spans
import UpstreamHTTP

/// Makes the connections of a configuration: for each its credential, its client and its adapter.
struct Connections {
    let ways: WaysOut
    let time: any TimeSource
    let logger: Logger
    let metrics: any MetricsFactory
    var tracer = GatewayTracer()
    /// The hosts that are told of traces.
    var tracedHosts: [HostRule] = []

    /// A connection for the engine, which gets its tokens from `tokens`.
    func engineConnection(
        _ connection: ConnectionConfiguration,
        _ budgets: SharedBudgets,
        tokens: any AccessTokenSource
    ) -> EngineConnection {
        let budget = budgets.budget(of: connection)
        let provider = connection.adapter.make(client(of: connection, budget, tokens: tokens))
        var descriptor = type(of: provider).descriptor
        descriptor.capabilities.minimumPollInterval = connection.pollInterval
        // A connection that acts for its callers needs their tokens, even if the upstream would accept an application's.
        descriptor.capabilities.delegatedOnly = connection.needsCallerToken
        return EngineConnection(
            name: connection.name,
            provider: provider,
            descriptor: descriptor,
            keepsRefreshTokens: connection.credential.keepsRefreshTokens,
            ambiguousStart: connection.ambiguousStart,
            leaseName: budgets.leaseNames[connection.name],
            leaveLine: { budget?.remove($0) }
        )
    }

    /// The client of a connection's calls to its upstream. Without `tokens`, it has a source of its own.
    func client(
        of connection: ConnectionConfiguration,
        _ budget: CallBudget?,
        tokens: (any AccessTokenSource)? = nil,
        observer: (any AnswerObserver)? = nil
    ) -> UpstreamClient {
        UpstreamClient(
            settings: .init(
                connection: connection.name,
                bearerHosts: connection.adapter.bearerHosts,
                openHosts: connection.adapter.openHosts,
                trustsCapacityText: connection.retriesOnCapacityText,
                tracedHosts: tracedHosts
            ),
            budget: budget,
            transport: ways.transport(of: connection),
            tokens: tokens ?? self.tokens(connection),
            time: time,
            logger: logger,
            metrics: metrics,
            observer: observer,
            tracer: tracer
        )
    }

    /// The source of the connection's tokens.
    func tokens(_ connection: ConnectionConfiguration) -> any AccessTokenSource {
        switch connection.credential {
        case .passThrough:
            return PassThroughTokenSource(
                scope: connection.adapter.scopes[0],
                downloadScope: connection.adapter.downloadScope
            )
        case .managedIdentity(let identity):
            return ManagedIdentityTokenSource(
                identity,
                client: authorityClient(connection, at: identity.endpoint, by: ways.nearby),
                time: time
            )
        case .application(let application):
            guard application.onBehalfOf else { return ownTokens(of: application, connection) }
            return OnBehalfOfTokenSource(
                endpoint: tokenEndpoint(of: application, connection),
                time: time,
                keepsRefreshTokens: application.keepsRefreshTokens
            )
        }
    }

    /// The source of an application's own tokens.
    func ownTokens(
        of application: ApplicationConfiguration,
        _ connection: ConnectionConfiguration
    ) -> any AccessTokenSource {
        EntraTokenSource(endpoint: tokenEndpoint(of: application, connection), time: time)
    }

    private func tokenEndpoint(
        of application: ApplicationConfiguration,
        _ connection: ConnectionConfiguration
    ) -> TokenEndpoint {
        TokenEndpoint(
            authority: application.authority,
            tenant: application.tenantID,
            clientID: application.clientID,
            credential: credential(of: application, connection),
            client: authorityClient(connection, at: application.authority, by: ways.transport(of: connection))
        )
    }

    private func credential(
        of application: ApplicationConfiguration,
        _ connection: ConnectionConfiguration
    ) -> EntraCredential {
        switch application.proof {
        case .clientSecret(let secret): return .clientSecret(secret)
        case .federatedToken(let path, _): return .federatedToken(FederatedTokenFile(path: path))
        case .certificate(let settings, _):
            var logger = logger
            logger[metadataKey: "connection"] = .string(connection.name)
            return .certificate(CertificateCredential(settings, time: time, logger: logger))
        }
    }

    /// A client that may call only the host that issues tokens, without a token.
    private func authorityClient(
        _ connection: ConnectionConfiguration,
        at host: UpstreamURL,
        by transport: UpstreamTransport
    ) -> UpstreamClient {
        UpstreamClient(
            settings: .init(
                connection: connection.name,
                bearerHosts: [:],
                openHosts: [.origin(of: host)],
                tracedHosts: tracedHosts
            ),
            transport: transport,
            tokens: PassThroughTokenSource(scope: connection.adapter.scopes[0]),
            time: time,
            logger: logger,
            metrics: metrics,
            tracer: tracer
        )
    }
}
