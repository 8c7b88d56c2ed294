public import Audit
import CallerIdentity
public import Telemetry
public import DownloadRelay
public import Exports
import HTTPListening
public import Hummingbird
import HummingbirdCore
public import Logging
public import Memory
import NIOCore
public import Spans
import SystemCrypto
public import Webhooks
public import ServiceLifecycle

/// The HTTP API of the gateway, as `openapi.yaml` describes it.
public struct GatewayAPI: Sendable {
    private let settings: APISettings
    let callers: CurrentCallers
    let responder: GatewayResponder
    let platformResponder: GatewayResponder
    private let figures: HTTPMetrics
    private let heads: UnfinishedHeads
    private let tls: TLSIdentity?
    private let services: [any Service]
    private let logger: Logger

    /// Makes the API. Nothing listens yet.
    ///
    /// - Parameters:
    ///   - service: The service that carries out the calls.
    ///   - webhooks: The service that carries out the calls about webhooks.
    ///   - audit: Records what callers do, and shows it; nil where no audit trail is kept.
    ///   - relay: Serves the bytes of files.
    ///   - memory: The budget for the memory of requests that come in and wait.
    ///   - tls: The gateway's certificate and key; nil serves plain HTTP.
    ///   - readiness: False while the process starts or drains: `/readyz` then fails whatever the service says.
    ///   - impediments: Why the gateway refuses new exports at present: `/readyz` then says that it is degraded.
    ///   - budgets: The state of the request budgets, for `/providers`.
    ///   - replicas: How many replicas serve the same callers, this one included. Each has its part of the callers' limits. Called for
    ///     each request of a caller with a limit, on any thread.
    ///   - tracer: Makes the spans of requests.
    ///   - reload: Reads the configuration again, for the `/reload` of `origin`.
    ///   - metrics: The registry for the metrics of requests, which `/metrics` shows.
    ///   - time: Measures requests and ends waits; idle connections are closed by the event loop's own clock.
    public init(
        service: any ExportService,
        webhooks: any WebhookService,
        audit: (any AuditService)? = nil,
        relay: DownloadRelay,
        memory: MemoryBudget,
        settings: APISettings,
        tls: TLSIdentity? = nil,
        readiness: @escaping @Sendable () -> Bool = { true },
        impediments: @escaping @Sendable () -> [ServiceImpediment] = { [] },
        budgets: @escaping @Sendable () -> [BudgetStatus] = { [] },
        replicas: @escaping @Sendable () -> Int = { 1 },
        tracer: GatewayTracer = GatewayTracer(),
        reload: @escaping @Sendable (_ origin: AuditOrigin) async -> ReloadOutcome = { _ in .notNow },
        metrics: PrometheusRegistry,
        time: any TimeSource,
        logger: Logger
    ) {
        let figures = HTTPMetrics(registry: metrics, scheme: tls == nil ? "http" : "https")
        self.settings = settings
        self.logger = logger
        self.figures = figures
        heads = UnfinishedHeads(memory: memory)
        self.tls = tls
        let reloading = tls.map { TLSReloading(identity: $0, time: time, logger: logger, metrics: metrics) }
        let callers = CurrentCallers(settings, time: time, replicas: replicas, logger: logger, metrics: metrics)
        self.callers = callers
        let hub = EventHub(settings.events, service: service, memory: memory, time: time, metrics: metrics)
        let always: [any Service] = [KeyRefreshing(time: time, of: { callers.current.authentication }), hub]
        services = (reloading.map { [$0] } ?? []) + always
        let limits = RequestLimits(
            maxTargetBytes: settings.maxTargetBytes,
            maxHeaderBytes: settings.maxHeaderBytes,
            maxHeaderFields: settings.maxHeaderFields
        )
        let random = Randomness {
            var random = SystemRandom()
            return random.next()
        }
        let bodies = BodyReader(
            limit: settings.maxBodyBytes,
            limits: limits,
            timeout: settings.bodyTimeout,
            time: time,
            memory: memory
        )
        let exports = ExportRoutes(
            service: service,
            relay: relay,
            cursor: Cursor(key: settings.cursorKey),
            bodies: bodies,
            maxWait: settings.maxWait,
            memory: memory
        )
        responder = GatewayResponder(
            listener: settings.operations == nil ? .everything : .callers,
            connections: ConnectionTable(limit: settings.maxConnections) { figures.displaced() },
            callers: callers,
            limits: limits,
            publicAddress: PublicAddress(
                configured: settings.publicURL,
                trustedProxies: settings.trustedProxies
            ),
            record: RequestRecord(metrics: figures, tracer: tracer, time: time, logger: logger),
            exports: exports,
            events: EventRoutes(
                hub: hub,
                callers: callers,
                cursor: Cursor(key: settings.cursorKey),
                random: random
            ),
            tickets: TicketRoutes(
                exports: exports,
                audit: audit,
                lifetime: settings.ticketLifetime,
                seal: TicketSeal(key: settings.cursorKey),
                time: time,
                random: random
            ),
            providers: ProviderRoutes(service: service, budgets: budgets),
            webhooks: WebhookRoutes(
                service: webhooks,
                providers: service.providers,
                cursor: Cursor(key: settings.cursorKey),
                bodies: bodies
            ),
            audit: AuditRoutes(service: audit, cursor: Cursor(key: settings.cursorKey)),
            operations: OperationsRoutes(
                service: service,
                readiness: readiness,
                impediments: impediments,
                reload: reload,
                metrics: metrics,
                version: settings.version
            )
        )
        var platformResponder = responder
        platformResponder.listener = .platform
        platformResponder.record = RequestRecord(
            metrics: HTTPMetrics(registry: metrics, scheme: "http"),
            tracer: tracer,
            time: time,
            logger: logger
        )
        platformResponder.connections = ConnectionTable(limit: Self.platformConnections) { figures.displaced() }
        self.platformResponder = platformResponder
    }

    /// Puts the callers of other settings in force, all at once: `apiKeys`, `tokenAuthority`, `clientCertificates`, `hosts`, `limits`
    /// and `console`. Nothing else of the settings is looked at.
    ///
    /// Requests that have begun go on with the callers of their beginning. An event stream ends at its next check where its caller is
    /// not accepted any more, or has other permissions. What callers have used of their limits stays used. Call it for one
    /// configuration after the other.
    public func takeCallers(of settings: APISettings) { callers.replace(by: settings) }

    /// The most connections of the platform's listener: for a few scrapers and probes.
    private static let platformConnections = 64

    /// The server, as a service to run.
    ///
    /// A graceful shutdown ends it: requests under way are finished, waits are answered at once, idle connections are closed,
    /// and no new ones are accepted.
    ///
    /// - Parameter onServerRunning: Called once with the bound port, when connections are taken.
    public func application(
        onServerRunning: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) -> some ApplicationProtocol & Service {
        let address = APISettings.Address(host: settings.host, port: settings.port)
        let isHTTP2Taken = tls?.offersHTTP2 ?? settings.http2.takesPriorKnowledge
        return application(responder, at: address, tls, isHTTP2Taken, services, onServerRunning)
    }

    /// The server for the platform, as a service of its own: probes and metrics, over plain HTTP. Nil where the settings name
    /// no address for it.
    ///
    /// - Parameter onServerRunning: Called once with the bound port, when connections are taken.
    public func platformApplication(
        onServerRunning: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) -> (some ApplicationProtocol & Service)? {
        settings.operations.map { application(platformResponder, at: $0, nil, false, [], onServerRunning) }
    }

    private func application(
        _ responder: GatewayResponder,
        at address: APISettings.Address,
        _ tls: TLSIdentity?,
        _ isHTTP2Taken: Bool,
        _ services: [any Service],
        _ onServerRunning: @escaping @Sendable (_ port: Int) async -> Void
    ) -> some ApplicationProtocol & Service {
        let (figures, heads) = (figures, heads)
        let table = responder.connections
        let direct = settings.directAnswers ? responder.direct(logger) : nil
        let idleTimeout = TimeAmount(settings.idleTimeout)
        let pace = ReaderPace(rate: settings.minimumRate, window: TimeAmount(settings.minimumRateWindow))
        @Sendable func handlers() -> [any RemovableChannelHandler] {
            let slow = SlowReaderHandler(pace: pace, onCut: { figures.cutSlowClient() })
            let idle = IdleConnectionHandler(timeout: idleTimeout)
            let connection = ConnectionHandler(
                limits: responder.limits,
                onUnreadable: { status in figures.unreadable(status: status) },
                onHandshakeFailure: { figures.failedHandshake() },
                bytes: RequestBytesHandler(idle: idle, memory: heads, table: table),
                direct: direct.map { answers in
                    { DirectAnswerHandler(answers: answers, connection: $0, slow: slow, idle: idle, table: table) }
                }
            )
            return [slow, connection, RequestCountHandler(table: table), idle]
        }
        let http1 = HTTP1Channel.Configuration(
            additionalChannelHandlers: handlers(),
            httpDecoderConfiguration: .init(maxHeaderFieldCount: settings.maxHeaderFields)
        )
        let http2 = MultiplexedChannel.Parts(
            settings: settings.http2,
            limits: responder.limits,
            table: table,
            memory: heads,
            metrics: figures,
            idleTimeout: idleTimeout,
            minimumRate: settings.minimumRate,
            minimumRateWindow: TimeAmount(settings.minimumRateWindow)
        )
        return Application(
            responder: responder,
            server: HTTPServerBuilder { responder in
                CountedChannel(
                    table: table,
                    identity: tls,
                    http1: RequestChannel(responder: responder, configuration: http1),
                    http2: isHTTP2Taken ? MultiplexedChannel(responder: responder, parts: http2) : nil,
                    timeout: idleTimeout,
                    onHandshakeFailure: { figures.failedHandshake() }
                )
            },
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port),
                // As many as the system allows: a client whose connection does not fit retries only after a second.
                backlog: 4096,
                availableConnectionsDelegate: table.delegate
            ),
            services: services,
            onServerRunning: { channel in await onServerRunning(channel.localAddress?.port ?? 0) },
            logger: logger
        )
    }
}
