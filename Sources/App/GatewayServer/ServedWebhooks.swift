import CallerIdentity
import ExportLedger
import Exports
import Logging
import Metrics
import ServiceLifecycle
import WebhookEngine
import WebhookTransport
import Webhooks

/// The webhooks of a configuration.
struct ServedWebhooks: Sendable {
    /// Carries out the calls about webhooks.
    let service: any WebhookService
    /// What sends messages, where anything does. It ends before the engine of exports.
    let services: [any Service]

    /// Throws `StartupError` where nothing can be sent.
    ///
    /// - Parameter owner: Whether a caller may have webhooks at the moment.
    init(
        _ configuration: GatewayConfiguration,
        store: any WebhookStore,
        exports: any ChangeService,
        owner: @escaping @Sendable (_ caller: String) -> WebhookOwner,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) throws {
        guard configuration.webhooks.isEnabled != false else {
            self.init(NoWebhooks(key: "webhooks.enabled", "is false: this gateway has no webhooks."))
            return
        }
        guard let sealing = configuration.sealing else {
            let detail =
                "is not configured: the secrets of webhooks are stored encrypted, so that this gateway has no webhooks."
            self.init(NoWebhooks(key: "sealing.keys", detail))
            return
        }
        // A lookup keeps its thread: one for each request.
        let resolver = SystemWebhookResolver(
            threads: configuration.webhooks.concurrency,
            maxLookups: 4 * configuration.webhooks.concurrency
        )
        let engine = WebhookEngine(
            store: store,
            exports: exports,
            sender: try configuration.webhookTransport(resolver, time),
            sealingKeys: sealing.keys,
            owner: owner,
            settings: configuration.webhooks.engine(base: configuration.server.publicURL),
            time: time,
            random: { .random(in: .min ... .max) },
            logger: logger,
            metrics: metrics
        )
        self.init(engine, [engine])
    }

    private init(_ service: any WebhookService, _ services: [any Service] = []) {
        (self.service, self.services) = (service, services)
    }
}

extension GatewayConfiguration {
    fileprivate func webhookTransport(
        _ resolver: SystemWebhookResolver,
        _ time: any TimeSource
    ) throws(StartupError) -> WebhookTransport {
        do {
            let settings = webhooks.transport(authorities)
            return try WebhookTransport(settings: settings, resolver: resolver, time: time)
        } catch {
            throw StartupError("webhooks", "the system's certificate authorities cannot be read")
        }
    }
}

extension GatewayConfiguration.Server {
    /// Whether a caller with this id may have webhooks.
    func owner(of caller: String) -> WebhookOwner {
        if caller == Viewer.anonymousID, !hasCallers { return .known(seesAll: true) }
        let permissions =
            apiKeys.first { $0.id == caller }?.permissions
            ?? clientCertificates.first { $0.id == caller }?.permissions
        if let permissions {
            let mayHave = permissions.allow(.read) && permissions.allow(.manageWebhooks)
            return mayHave ? .known(seesAll: permissions.allow(.readAll)) : .unknown
        }
        // The ids of callers with access tokens, and no others, have colons.
        return entra != nil && caller.contains(":") ? .unchecked : .unknown
    }
}
