public import DownloadRelay
public import Exports
public import Hummingbird
public import Logging
import NIOCore
public import ServiceLifecycle

/// The HTTP face of the gateway: `openapi.yaml`, served.
public struct GatewayAPI: Sendable {
    private let settings: APISettings
    private let responder: GatewayResponder
    private let figures: HTTPMetrics
    private let logger: Logger

    /// Puts the face together; nothing listens yet.
    ///
    /// - Parameters:
    ///   - service: What the calls are about.
    ///   - relay: Brings the bytes of files.
    ///   - readiness: False while the process starts or drains: `/readyz` then fails whatever the service says.
    ///   - metrics: Gets the figures of the requests, and is what `/metrics` shows.
    ///   - time: Measures requests and ends waits; idle connections are closed by the event loop's own clock.
    public init(
        service: any ExportService,
        relay: DownloadRelay,
        settings: APISettings,
        readiness: @escaping @Sendable () -> Bool = { true },
        metrics: PrometheusRegistry,
        time: any TimeSource,
        logger: Logger
    ) {
        let figures = HTTPMetrics(registry: metrics)
        self.settings = settings
        self.logger = logger
        self.figures = figures
        responder = GatewayResponder(
            authentication: Authentication(keys: settings.apiKeys),
            limits: RequestLimits(maxTargetBytes: settings.maxTargetBytes, maxHeaderBytes: settings.maxHeaderBytes),
            record: RequestRecord(metrics: figures, time: time),
            exports: ExportRoutes(
                service: service,
                relay: relay,
                document: ExportDocument(links: Links(publicURL: settings.publicURL)),
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
        return Application(
            responder: responder,
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [
                        SlowReaderHandler(pace: pace, onCut: { figures.cutSlowClient() }),
                        ConnectionHandler(onUnreadable: { status in figures.unreadable(status: status) }),
                    ],
                    idleTimeout: idleTimeout
                )
            ),
            configuration: ApplicationConfiguration(
                address: .hostname(settings.host, port: settings.port),
                availableConnectionsDelegate: .maximum(settings.maxConnections, logger: logger)
            ),
            onServerRunning: { channel in await onServerRunning(channel.localAddress?.port ?? 0) },
            logger: logger
        )
    }
}
