import Audit
public import ExportLedger
public import Exports
public import Logging
public import Metrics
public import Spans
import Synchronization
public import SystemCrypto

/// The life of every export: accepted, submitted, tracked, finished, expired.
///
/// Callers are answered from the ledger. All work upstream is done in `run()`, by one connection worker for each connection.
/// However the process ends, the next `run()` on the same ledger goes on with everything unfinished.
public final class ExportEngine: ExportService {
    public let providers: [ConfiguredProvider]
    let ledger: any ExportLedger
    let time: any TimeSource
    let settings: EngineSettings
    let random: Randomness
    /// What this engine works on.
    let ownership: Ownership
    /// This process among the others; nil where the ledger is this engine's alone.
    let replica: Replica?
    let logger: Logger
    let metrics: EngineMetrics
    let tracer: GatewayTracer
    /// Nil where no audit trail is kept.
    let audit: EngineAudit?
    let creationLimits: CreationLimits
    let retentionMetrics: RetentionMetrics
    let weights: CallerWeights
    let changes = ChangeHub()
    /// Tells whoever follows the changes of all exports.
    let news = ChangeNews()
    let snapshots: Snapshots
    let callerTokens = CallerTokens()
    let refreshTokens: RefreshTokens
    /// Fired when the time of the next expiry may have changed.
    let expiries = Signal()
    /// Fired when files may be due for measuring.
    let measurements = Signal()
    /// When a caller last asked for a list, as a time of `TimeSource.elapsed`: the take-over is gentle then.
    let lastList = Mutex<Duration?>(nil)
    /// Fired when the engine stops: ends the take-over.
    let stops = Signal()
    /// Fired when the engine stops: ends the retention.
    let retentionStops = Signal()
    /// Whether the ledger was restored from a backup: this engine applies no rules of the retention.
    let isRestored = Atomic(false)
    let announcer: ChangeAnnouncer
    let transitions: Transitions
    let contexts: CallContexts
    let workers: [ConnectionKey: ConnectionWorker]
    let onTakenOver: @Sendable () -> Void

    /// Makes an engine. Nothing is done upstream before `run()`.
    ///
    /// - Parameters:
    ///   - ledger: The ledger, which no other engine may use, unless it is a `ReplicatedLedger`.
    ///   - connections: The configured connections.
    ///   - sealingKeys: The keys that encrypt refresh tokens in the ledger; without them, none are kept.
    ///   - descriptors: All adapters, including those without a connection, in the order in which they are listed.
    ///   - time: The clock for everything that waits.
    ///   - settings: The limits and intervals.
    ///   - random: Uniform 64-bit numbers from a secure source, for ids.
    ///   - logger: Transitions are logged at `info`, with ids.
    ///   - metrics: The factory for counters and gauges.
    ///   - tracer: Makes the spans of what the exports whose traces are recorded go through.
    ///   - audit: Where what callers do is recorded; nil: nowhere.
    ///   - sharedSecrets: Digests of secrets that must be the same on all replicas, by the configuration key.
    ///   - onTakenOver: Called once, when everything that former engines left unfinished has been taken over.
    public init(
        ledger: any ExportLedger,
        connections: [EngineConnection],
        sealingKeys: SealingKeys? = nil,
        descriptors: [ProviderDescriptor],
        time: any TimeSource,
        settings: EngineSettings = EngineSettings(),
        random: @escaping @Sendable () -> UInt64,
        logger: Logger,
        metrics: any MetricsFactory,
        tracer: GatewayTracer = GatewayTracer(),
        audit: EngineAudit? = nil,
        sharedSecrets: [String: String] = [:],
        onTakenOver: @escaping @Sendable () -> Void = {}
    ) {
        self.onTakenOver = onTakenOver
        self.ledger = ledger
        self.time = time
        self.settings = settings
        let randomness = Randomness(random)
        self.random = randomness
        let ownership =
            ledger is any ReplicatedLedger
            ? Ownership(
                sharedBy: Dictionary(
                    connections.map { (ConnectionKey(provider: $0.descriptor.id, name: $0.name), $0.leaseName) },
                    uniquingKeysWith: { first, _ in first }
                )
            )
            : Ownership(sole: String(random(), radix: 16) + String(random(), radix: 16))
        self.ownership = ownership
        replica = (ledger as? any ReplicatedLedger)
            .map {
                Replica(
                    ledger: $0,
                    connections: connections,
                    secrets: sharedSecrets,
                    settings: settings,
                    metrics: metrics
                )
            }
        self.logger = logger
        self.tracer = tracer
        self.audit = audit
        let engineMetrics = EngineMetrics(factory: metrics)
        self.metrics = engineMetrics
        creationLimits = CreationLimits(metrics: metrics)
        retentionMetrics = RetentionMetrics(factory: metrics)
        let weights = CallerWeights(settings.callerWeights)
        self.weights = weights
        snapshots = Snapshots(
            ledger: ledger,
            capacity: settings.snapshotLimit,
            lifetime: ownership.isShared
                ? SnapshotMap.Lifetime(duration: settings.sharedSnapshotLifetime) { time.elapsed() } : nil,
            metrics: metrics
        )
        let refreshTokens = RefreshTokens(ledger: ledger, keys: sealingKeys, logger: logger)
        self.refreshTokens = refreshTokens
        announcer = ChangeAnnouncer(
            snapshots: snapshots,
            changes: changes,
            news: news,
            callerTokens: callerTokens,
            expiries: expiries,
            measurements: measurements,
            metrics: engineMetrics,
            logger: logger
        )
        let transitions = Transitions(
            ledger: ledger,
            time: time,
            random: randomness,
            ownership: ownership,
            announcer: announcer,
            tracer: tracer,
            audit: audit,
            logger: logger
        )
        self.transitions = transitions
        let contexts = CallContexts(time: time, random: randomness, weights: weights)
        self.contexts = contexts
        workers = Dictionary(
            connections.map { [callerTokens] connection in
                ConnectionWorker(
                    connection,
                    ledger: ledger,
                    ownership: ownership,
                    transitions: transitions,
                    contexts: contexts,
                    callerTokens: callerTokens,
                    refreshTokens: refreshTokens,
                    time: time,
                    weights: weights,
                    settings: settings,
                    metrics: engineMetrics,
                    tracer: tracer,
                    logger: logger
                )
            }
            .map { ($0.key, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        providers = descriptors.map { descriptor in
            ConfiguredProvider(
                descriptor: descriptor,
                connections: connections.filter { $0.descriptor.id == descriptor.id }.map(\.name)
            )
        }
    }

    /// Changes how many turns callers get, as `EngineSettings.callerWeights`. What has its turn already keeps it.
    public func takeWeights(_ weights: [String: Int]) { self.weights.replace(by: weights) }

    public func isReady() async -> Bool {
        do {
            try await ledger.check()
            return true
        } catch {
            logger.error("the ledger does not answer", metadata: ["error": "\(error)"])
            return false
        }
    }

    func worker(of export: Export) -> ConnectionWorker? {
        workers[ConnectionKey(provider: export.provider, name: export.connection)]
    }

    /// The rules for an export. Where its connection is gone, the rules of an upstream that cannot be called.
    func life(of export: Export) -> ExportLife {
        worker(of: export)?.life
            ?? ExportLife(
                capabilities: ProviderCapabilities(minimumPollInterval: settings.maximumPollInterval),
                ambiguousStart: .hold,
                settings: settings
            )
    }

    /// The record, read from the ledger. Throws `notFound` for an unknown export, and for one that `viewer` may not see, and
    /// `exportPurged` for one that was purged and that it could see.
    func knownRecord(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> LedgerRecord {
        try await known(id, viewer, \.export) {
            let record = try await self.ledger.record(id)
            if let record { self.snapshots.saw(record.export) }
            return record
        }
    }

    /// What callers see of an export, from memory if possible. Throws like `knownRecord`.
    func knownExport(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export {
        try await known(id, viewer, \.export) { try await self.snapshots.current(id) }.export
    }

    private func known<Value: Sendable>(
        _ id: ExportID,
        _ viewer: Viewer,
        _ export: KeyPath<Value, Export>,
        _ read: () async throws -> Value?
    ) async throws(GatewayError) -> Value {
        let unknown = Self.unknown(id)
        do throws(GatewayError) {
            guard let value = try await asking(read) else { throw try await absence(of: id, for: viewer) }
            guard viewer.maySee(value[keyPath: export]) else { throw unknown }
            return value
        } catch {
            // Only the owner may learn that an export exists whose row cannot be read.
            guard let ledgerError = error.cause as? LedgerError, ledgerError.isAboutOneExport,
                !viewer.maySeeExports(of: ledgerError.owner)
            else { throw error }
            throw unknown
        }
    }

    /// The error for an export that is not there: it was purged, or there is none that the viewer may know of.
    func absence(of id: ExportID, for viewer: Viewer) async throws(GatewayError) -> GatewayError {
        if let tombstone = try await asking({ try await self.ledger.tombstone(id) }),
            viewer.maySeeExports(of: tombstone.createdBy)
        {
            return .purged(tombstone)
        }
        return Self.unknown(id)
    }

    private static func unknown(_ id: ExportID) -> GatewayError {
        GatewayError(.notFound, "There is no export with the id \(id).")
    }

    /// Runs a call to the ledger. Its errors are logged for the operator; the client may try again.
    func asking<T: Sendable>(_ body: () async throws -> T) async throws(GatewayError) -> T {
        do {
            return try await body()
        } catch {
            throw failure(of: error)
        }
    }

    /// Logs an error of the ledger. Returns the error for the client.
    func failure(of error: any Error) -> GatewayError {
        if let error = error as? LedgerError, error.isAboutOneExport {
            // The ledger has already logged the row and the column.
            return GatewayError(
                .internalError,
                "The gateway's ledger cannot read its row for this export. The operator has to repair it; other "
                    + "exports are not affected.",
                cause: error
            )
        }
        return LedgerError.forClient(error, logger)
    }
}
