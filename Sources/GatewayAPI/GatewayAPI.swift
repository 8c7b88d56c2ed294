public import DownloadRelay
public import Exports
import HTTPListening
public import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle

/// The HTTP face of the gateway: `openapi.yaml`, served.
public struct GatewayAPI: Sendable {
    private let settings: APISettings
    let responder: GatewayResponder
    private let figures: HTTPMetrics
    private let tls: TLSIdentity?
    private let services: [any Service]
    private let logger: Logger

    /// Puts the face together; nothing listens yet.
    ///
    /// - Parameters:
    ///   - service: What the calls are about.
    ///   - relay: Brings the bytes of files.
    ///   - tls: Who the gateway is in TLS; nil speaks plain HTTP.
    ///   - readiness: False while the process starts or drains: `/readyz` then fails whatever the service says.
    ///   - metrics: Gets the figures of the requests, and is what `/metrics` shows.
    ///   - time: Measures requests and ends waits; idle connections are closed by the event loop's own clock.
    public init(
        service: any ExportService,
        relay: DownloadRelay,
        settings: APISettings,
        tls: TLSIdentity? = nil,
        readiness: @escaping @Sendable () -> Bool = { true },
        metrics: PrometheusRegistry,
        time: any TimeSource,
        logger: Logger
    ) {
        let figures = HTTPMetrics(registry: metrics)
        self.settings = settings
        self.logger = logger
        self.figures = figures
        self.tls = tls
        let reloading = tls.map { TLSReloading(identity: $0, time: time, logger: logger, metrics: metrics) }
        let tokens = settings.tokenAuthority.map {
            AccessTokenVerifier(authority: $0, time: time, logger: logger, metrics: metrics)
        }
        services = (reloading.map { [$0] } ?? []) + (tokens.map { [$0.refreshing] } ?? [])
        responder = GatewayResponder(
            authentication: Authentication(
                keys: settings.apiKeys,
                tokens: tokens,
                certificates: PeerCertificates(callers: settings.clientCertificates, time: time)
            ),
            limits: RequestLimits(maxTargetBytes: settings.maxTargetBytes, maxHeaderBytes: settings.maxHeaderBytes),
            publicAddress: PublicAddress(
                configured: settings.publicURL,
                trustedProxies: settings.trustedProxies
            ),
            record: RequestRecord(metrics: figures, time: time),
            exports: ExportRoutes(
                service: service,
                relay: relay,
                cursor: Cursor(key: settings.cursorKey),
                bodies: BodyReader(limit: settings.maxBodyBytes, timeout: settings.bodyTimeout, time: time),
                maxWait: settings.maxWait
            ),
            providers: ProviderRoutes(service: service),
            operations: OperationsRoutes(
                service: service,
                readiness: readiness,
                metrics: metrics,
                version: settings.version
            )
        )
    }

    /// The server, as a service to run.
    ///
    /// Graceful shutdown ends it: requests under way are finished, waits are answered at once, idle connections are
    /// closed, and no new ones are taken.
    ///
    /// - Parameter onServerRunning: Called once with the bound port, when connections are taken.
    public func application(
        onServerRunning: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) -> some ApplicationProtocol & Service {
        let figures = figures
        let idleTimeout = TimeAmount(settings.idleTimeout)
        let pace = ReaderPace(rate: settings.minimumRate, window: TimeAmount(settings.minimumRateWindow))
        let http1 = HTTP1Channel.Configuration(
            additionalChannelHandlers: [
                SlowReaderHandler(pace: pace, onCut: { figures.cutSlowClient() }),
                ConnectionHandler(
                    onUnreadable: { status in figures.unreadable(status: status) },
                    onHandshakeFailure: { figures.failedHandshake() }
                ),
            ],
            idleTimeout: idleTimeout
        )
        let server = tls.map { identity in
            HTTPServerBuilder {
                TLSChannel(identity: identity, base: RequestChannel(responder: $0, configuration: http1))
            }
        }
        return Application(
            responder: responder,
            server: server ?? HTTPServerBuilder { RequestChannel(responder: $0, configuration: http1) },
            configuration: ApplicationConfiguration(
                address: .hostname(settings.host, port: settings.port),
                availableConnectionsDelegate: .maximum(settings.maxConnections, logger: logger)
            ),
            services: services,
            onServerRunning: { channel in await onServerRunning(channel.localAddress?.port ?? 0) },
            logger: logger
        )
    }
}
