public import ExportLedger
public import Exports
public import Logging
public import Metrics
public import ServiceLifecycle
public import SystemCrypto
public import Webhooks

/// Turns the changes of exports into messages, and sends them to webhooks.
///
/// What is to be sent is in the ledger: the changes, each webhook's position in them, and the messages. However the process ends, the
/// next one goes on there. Several replicas on one ledger share the work.
public final class WebhookEngine: Sendable {
    let parts: WebhookParts
    private let fanOut: WebhookFanOut
    private let expiry: WebhookExpiry
    let dispatcher: WebhookDispatcher
    private let maintenance: WebhookMaintenance

    /// Makes an engine. Nothing is sent before `run()`.
    ///
    /// - Parameters:
    ///   - store: Where webhooks and messages are stored: the ledger.
    ///   - exports: Whose changes are sent.
    ///   - sender: Sends single messages.
    ///   - sealingKeys: Encrypt the webhooks' secrets in the ledger.
    ///   - owner: Whether a caller who owns a webhook may still have it. Called often; it must not block.
    ///   - random: Uniform 64-bit numbers from a secure source, for ids.
    public init(
        store: any WebhookStore,
        exports: any ChangeService,
        sender: any WebhookSender,
        sealingKeys: SealingKeys,
        owner: @escaping @Sendable (_ caller: String) -> WebhookOwner,
        settings: WebhookSettings = WebhookSettings(),
        time: any TimeSource,
        random: @escaping @Sendable () -> UInt64,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        let parts = WebhookParts(
            store: store,
            exports: exports,
            sender: sender,
            keys: sealingKeys,
            owner: owner,
            settings: settings,
            time: time,
            random: Randomness(random),
            logger: logger,
            metrics: WebhookMetrics(factory: metrics)
        )
        self.parts = parts
        let closing = WebhookClosing(parts: parts)
        expiry = WebhookExpiry(parts)
        fanOut = WebhookFanOut(parts, disable: { try await closing.disable($0, $1) })
        dispatcher = WebhookDispatcher(parts, closing: closing)
        maintenance = WebhookMaintenance(parts: parts)
    }

    /// A webhook was made or changed here.
    func webhooksChanged() {
        fanOut.webhooksChanged()
        parts.due.fire()
    }
}

extension WebhookEngine: Service, CustomStringConvertible {
    public var description: String { "webhooks" }

    /// Works until the task is cancelled or the process shuts down gracefully. Then no new attempt is begun, and those under way are
    /// awaited. Call it once for each engine.
    public func run() async throws {
        let (fanOut, expiry, dispatcher, maintenance) = (fanOut, expiry, dispatcher, maintenance)
        await withDiscardingTaskGroup { group in
            group.addTask { await dispatcher.run() }
            group.addTask { await cancelWhenGracefulShutdown { await fanOut.run() } }
            group.addTask { await cancelWhenGracefulShutdown { await expiry.run() } }
            group.addTask { await cancelWhenGracefulShutdown { await maintenance.run() } }
        }
    }
}
