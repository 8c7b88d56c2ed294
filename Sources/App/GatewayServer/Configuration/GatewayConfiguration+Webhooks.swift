import Exports
import UpstreamHTTP
import WebhookEngine
import WebhookTransport
import Yams

extension GatewayConfiguration.Webhooks {
    /// Reads `webhooks`.
    init(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        self.init()
        var section = try ConfigurationSection(node, path: "webhooks", environment: environment, isOverridable: true)
        if try section.text("enabled") != nil { isEnabled = try section.bool("enabled", default: true) }
        perCaller = try section.integer("perCaller", in: 0...10_000, default: perCaller)
        concurrency = try section.integer("concurrency", in: 1...256, default: concurrency)
        perWebhook = try section.integer("perWebhook", in: 1...concurrency, default: min(perWebhook, concurrency))
        pendingLimit = try section.integer("pendingLimit", in: 100...1_000_000, default: pendingLimit)
        timeout = try section.duration("timeout", in: .seconds(1) ... .seconds(60), default: timeout)
        let day = Duration.seconds(86_400)
        expiryLead = try section.duration("expiryLead", in: .seconds(1)...day * 30, default: expiryLead)
        // Longer than a message is tried, so that it is still there when it is given up.
        retention = try section.duration("retention", in: day * 4...day * 366, default: retention)
        disableAfter = try section.duration("disableAfter", in: day * 3...day * 366, default: disableAfter)
        secretOverlap = try section.duration("secretOverlap", in: .zero...day * 30, default: secretOverlap)
        allowPlainHTTP = try section.bool("allowPlainHTTP", default: allowPlainHTTP)
        allowHosts = try section.webhookHosts("allowHosts")
        try section.finish()
        guard !allowPlainHTTP || !allowHosts.isEmpty else {
            throw section.error(
                "allowPlainHTTP",
                "is for the hosts of webhooks.allowHosts only, of which there are none"
            )
        }
    }

    /// Refuses webhooks that were asked for where nothing seals their secrets.
    func refuse(without sealing: GatewayConfiguration.Sealing?) throws(StartupError) {
        guard isEnabled == true, sealing == nil else { return }
        throw StartupError(
            "sealing.keys",
            "is needed: webhooks.enabled is true, and the secrets of webhooks are stored encrypted"
        )
    }

    /// The engine's settings.
    func engine(base: String?) -> WebhookSettings {
        var settings = WebhookSettings()
        settings.perCaller = perCaller
        settings.concurrency = concurrency
        settings.perWebhook = perWebhook
        settings.pendingLimit = pendingLimit
        settings.timeout = timeout
        settings.expiryLead = expiryLead
        settings.retention = retention
        settings.disableAfter = disableAfter
        settings.secretOverlap = secretOverlap
        settings.base = base
        return settings
    }

    /// The sender's settings.
    func transport(_ authorities: TrustedAuthorities?) -> WebhookTransportSettings {
        var settings = WebhookTransportSettings()
        settings.allowedHosts = allowHosts
        settings.allowsHTTP = allowPlainHTTP
        settings.connectTimeout = min(settings.connectTimeout, timeout)
        settings.totalTimeout = timeout
        settings.authorities = authorities
        return settings
    }
}

extension ConfigurationSection {
    fileprivate mutating func webhookHosts(_ name: String) throws(StartupError) -> Set<WebhookHost> {
        guard let node = node(name) else { return [] }
        guard case .sequence(let sequence) = node else { throw error(name, "must be a list of hosts") }
        var hosts: Set<WebhookHost> = []
        for element in sequence {
            guard let text = element.string, let host = WebhookHost(text) else {
                throw error(name, "must list names and addresses of hosts, such as hooks.internal.example or 10.0.0.8")
            }
            hosts.insert(host)
        }
        return hosts
    }
}
