import CallerIdentity
public import Telemetry
import DownloadRelay
import ExportEngine
import ExportLedger
public import Exports
import GatewayAPI
public import Logging
import Memory
import ServiceLifecycle
import Synchronization
public import UnixSignals
import UpstreamHTTP

/// The whole gateway, put together from a configuration: `main`, the demo and the tests build the same thing here.
public enum GatewayServer {
    /// Serves until a signal or the task's cancellation. Then it refuses new exports and downloads, gives downloads under way
    /// `server.drainTimeout`, and stores the answers of calls under way.
    ///
    /// What `log`, which `logger` writes to, had to drop is counted in the metrics.
    ///
    /// With `isRestored`, everything that the ledger has not stored as started is held until an operator has decided; see
    /// `ExportEngine`.
    ///
    /// With `reloads`, the configuration is read again on SIGHUP and by `POST /reload` on `server.operations`; see the article Reload.
    ///
    /// `onListening` gets the base address, with the port that was bound. Throws `StartupError` when the configuration
    /// cannot be put to work: the ledger is taken, the port is in use.
    public static func run(
        _ configuration: GatewayConfiguration,
        time: any TimeSource = SystemTime(),
        logger: Logger,
        log: LogWriter? = nil,
        isRestored: Bool = false,
        reloads: ReloadSource? = nil,
        signals: [UnixSignal] = [.sigterm, .sigint],
        onListening: @escaping @Sendable (_ address: String) async -> Void = { _ in }
    ) async throws {
        // From here on SIGHUP does not end the process, also while it stops. One that comes before it serves is kept, and reloads then.
        var hangups: UnixSignalsSequence?
        if reloads != nil { hangups = await UnixSignalsSequence(trapping: .sighup) }
        defer { withExtendedLifetime(hangups) {} }
        try OpenSSLCheck.run()
        try await configuration.check(time: time, logger: logger)
        let metrics = PrometheusRegistry(process: ProcessFigures.read)
        MetricDescriptions.add(to: metrics)
        log?.count(in: metrics)
        let opened = try await OpenedLedger(configuration, time: time, logger: logger, metrics: metrics)
        let transport = UpstreamTransport(
            idleTimeout: configuration.downloads.idleTimeout,
            // All clients may download from one host at the same time, while exports at that host are polled.
            connectionsPerHost: configuration.server.maximumConnections + 64,
            authorities: configuration.authorities
        )
        let ways = WaysOut(configuration, base: transport)
        do {
            let reloads = reloads.flatMap { source in hangups.map { (source: source, hangups: $0) } }
            try await run(configuration, opened, ways, isRestored, reloads, time, logger, metrics, signals, onListening)
        } catch {
            // Without effect where the services had begun, one of which has closed them.
            try? await ways.shutdown()
            await opened.close()
            throw error
        }
        await opened.close()
    }

    private static func run(
        _ configuration: GatewayConfiguration,
        _ opened: OpenedLedger,
        _ ways: WaysOut,
        _ isRestored: Bool,
        _ reloads: (source: ReloadSource, hangups: UnixSignalsSequence)?,
        _ time: any TimeSource,
        _ logger: Logger,
        _ metrics: PrometheusRegistry,
        _ signals: [UnixSignal],
        _ onListening: @escaping @Sendable (_ address: String) async -> Void
    ) async throws {
        let ledger = opened.ledger
        let watch = LedgerWatch(ledger: ledger, time: time, logger: logger, metrics: metrics)
        let tracer = configuration.tracer(time: time)
        let connections = Connections(
            ways: ways,
            time: time,
            logger: logger,
            metrics: metrics,
            tracer: tracer,
            tracedHosts: configuration.traces?.propagateTo ?? []
        )
        let audit = try ServedAudit(
            configuration.audit,
            store: opened.audit,
            time: time,
            logger: logger,
            metrics: metrics
        )
        let budgets = SharedBudgets(configuration.connections, time: time, logger: logger, metrics: metrics)
        let current = CurrentConfiguration(configuration)
        let tokens = Dictionary(
            uniqueKeysWithValues: configuration.connections.map {
                ($0.name, ReplaceableTokenSource(connections.tokens($0)))
            }
        )
        let engine = ExportEngine(
            ledger: ledger,
            connections: configuration.connections.map { connection in
                connections.engineConnection(
                    connection,
                    budgets,
                    tokens: tokens[connection.name] ?? connections.tokens(connection)
                )
            },
            sealingKeys: configuration.sealing?.keys,
            descriptors: Adapter.all.map(\.descriptor),
            time: time,
            settings: configuration.engineSettings,
            random: { .random(in: .min ... .max) },
            logger: logger,
            metrics: metrics,
            tracer: tracer,
            audit: audit.engine,
            sharedSecrets: configuration.sharedSecrets,
            // Taking over a hundred thousand exports leaves tens of megabytes of freed memory.
            onTakenOver: ProcessMemory.release
        )
        if isRestored {
            do {
                _ = try await engine.holdRestored()
            } catch let error as LedgerError {
                let key = ledger is any ReplicatedLedger ? "ledger.url" : "ledger.path"
                throw StartupError(key, "Exports cannot be held after a restore (--restored): \(error.detail)")
            }
        }
        var replicaBudgets: ReplicaBudgets?
        if ledger is any ReplicatedLedger {
            let shared = ReplicaBudgets(budgets.byLease, logger: logger) { replica, body in
                try await engine.send(ReplicaBudgets.topic, to: replica, body)
            }
            replicaBudgets = shared
            do {
                try await engine.join(shared)
            } catch let error as LedgerError {
                throw StartupError("ledger.url", "The database cannot be used: \(error.detail)")
            }
        } else {
            await engine.breakDeliveriesUnderWay()
        }
        let webhooks = try ServedWebhooks(
            configuration,
            store: opened.webhooks,
            exports: engine,
            owner: { current.value.server.owner(of: $0) },
            time: time,
            logger: logger,
            metrics: metrics
        )
        let memory = MemoryBudget(total: configuration.server.memory, metrics: metrics)
        let relay = DownloadRelay(
            settings: configuration.downloads.settings,
            memory: memory,
            time: time,
            random: { .random(in: .min ... .max) },
            logger: logger,
            metrics: metrics
        )
        let tls = try configuration.server.tls.map { try TLSIdentity($0, at: time.now()) }
        let draining = Draining(delay: configuration.server.drainDelay, engine: engine, time: time)
        let requests = ReloadRequests(isOpen: reloads != nil)
        let documents: @Sendable (UpstreamURL) -> any AuthorityDocuments = { authority in
            AuthorityClient(
                authority: authority,
                transport: ways.callers,
                time: time,
                logger: logger,
                metrics: metrics
            )
        }
        let api = GatewayAPI(
            service: engine,
            webhooks: webhooks.service,
            audit: audit.service,
            relay: relay,
            memory: memory,
            settings: configuration.apiSettings(documents),
            tls: tls,
            readiness: { draining.isReady },
            impediments: { watch.impediments },
            budgets: { budgets.statuses },
            replicas: { engine.liveReplicas },
            tracer: tracer,
            reload: { await requests.ask(by: $0) },
            metrics: metrics,
            time: time,
            logger: logger
        )
        configuration.warnOfOpenAccess(logger)
        OpenFiles.warn(
            ofLimit: OpenFiles.limit,
            connections: configuration.server.maximumConnections,
            logger
        )
        let server = configuration.server
        let application = api.application { port in
            let scheme = tls == nil ? "http" : "https"
            let address = "\(scheme)://\(server.host.contains(":") ? "[\(server.host)]" : server.host):\(port)"
            logger.notice("Listening", metadata: ["address": .string(address)])
            await onListening(address)
        }
        let platform = api.platformApplication { port in
            let host = server.operations?.host ?? ""
            let address = "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
            logger.notice("Serving probes and metrics", metadata: ["address": .string(address)])
        }
        // Services end in the reverse order: first readiness, then measurements, the HTTP server, the webhooks, the engine, the audit
        // trail, the export of the last spans, and at last the HTTP clients. Probes and metrics are served to the end.
        var services: [any Service] = [ClosingTransports(ways: ways)]
        let traces = TraceService(
            tracer,
            configuration.traces,
            ways: ways,
            time: time,
            logger: logger,
            metrics: metrics
        )
        if let traces { services.append(traces) }
        if let platform { services.append(platform) }
        services.append(watch)
        // Ends after the engine: what is left to tell is told when the leases are free.
        if let replicaBudgets { services.append(replicaBudgets) }
        services += audit.services
        services.append(engine)
        services += webhooks.services
        services.append(application)
        if let settings = configuration.downloads.measurementSettings {
            services.append(
                Measuring(
                    measurer: FileMeasurer(
                        service: engine,
                        relay: relay,
                        settings: settings,
                        time: time,
                        logger: logger
                    )
                )
            )
        }
        if let (source, hangups) = reloads {
            let parts = ReloadedParts(
                current: current,
                api: api,
                engine: engine,
                budgets: budgets,
                connections: connections,
                tokens: tokens,
                logLevel: source.logLevel,
                documents: documents,
                logger: logger
            )
            services.append(
                ConfigurationReloads(
                    source,
                    requests,
                    hangups,
                    of: parts,
                    audit: audit.service,
                    time: time,
                    logger: logger,
                    metrics: metrics
                )
            )
        }
        services.append(draining)
        var group = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) },
            gracefulShutdownSignals: signals,
            logger: logger
        )
        group.maximumGracefulShutdownDuration = server.drainDelay + server.drainTimeout
        group.maximumCancellationDuration = .seconds(10)
        try await ServiceGroup(configuration: group).run()
    }
}

extension GatewayConfiguration {
    /// Logs a warning where everybody may do everything.
    func warnOfOpenAccess(_ logger: Logger) {
        guard !server.hasCallers else { return }
        logger.warning(
            "No callers are configured: everybody on this machine may do everything",
            metadata: ["host": .string(server.host)]
        )
    }
}

/// Makes `/readyz` fail when the gateway is about to end, waits for `drainDelay`, so that load balancers notice it, and begins to
/// hand the leases of a replica over.
private final class Draining: Service, CustomStringConvertible {
    private let delay: Duration
    private let engine: ExportEngine
    private let time: any TimeSource
    private let state = Mutex(true)

    init(delay: Duration, engine: ExportEngine, time: any TimeSource) {
        (self.delay, self.engine, self.time) = (delay, engine, time)
    }

    var isReady: Bool { state.withLock { $0 } }
    var description: String { "draining" }

    func run() async throws {
        try? await gracefulShutdown()
        state.withLock { $0 = false }
        // Downloads under way may take long: other replicas go on with the exports meanwhile.
        engine.handOverLeases()
        try? await time.sleep(for: delay)
    }
}

/// Measures files in the background until the gateway begins to end. Measurements under way are given up then.
private struct Measuring: Service, CustomStringConvertible {
    let measurer: FileMeasurer

    var description: String { "measuring" }

    func run() async throws {
        await cancelWhenGracefulShutdown { await measurer.run() }
    }
}

/// Closes the clients' connections when everything that uses them has ended.
private struct ClosingTransports: Service, CustomStringConvertible {
    let ways: WaysOut

    var description: String { "upstream transports" }

    func run() async throws {
        try? await gracefulShutdown()
        try await ways.shutdown()
    }
}
