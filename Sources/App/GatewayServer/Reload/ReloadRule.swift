/// What a reload does with a change of a key, and of every key below it.
struct ReloadRule: Sendable, Hashable {
    /// What becomes of a change; the raw value is the word of the article Reload.
    enum Effect: String, Sendable {
        /// The reload applies it.
        case applied
        /// The reload applies it, or refuses it: see `ReloadObstacles`.
        case depends
        /// The reload is refused: it takes effect at the next start.
        case restart
    }

    /// The key, or the section, without the names of elements of lists.
    var key: String
    var effect: Effect

    private init(_ key: String, _ effect: Effect) { (self.key, self.effect) = (key, effect) }

    /// All rules, in the order of the article Reload. Of two rules for a key, the longer one counts.
    static let all: [ReloadRule] = [
        ReloadRule("server.apiKeys", .applied),
        ReloadRule("server.entra", .applied),
        ReloadRule("server.entra.egress", .restart),
        ReloadRule("server.tls", .restart),
        ReloadRule("server.tls.callers", .applied),
        ReloadRule("server.limits", .applied),
        ReloadRule("server.console", .applied),
        ReloadRule("server.host", .restart),
        ReloadRule("server.port", .restart),
        ReloadRule("server.operations", .restart),
        ReloadRule("server.publicURL", .restart),
        ReloadRule("server.trustedProxies", .restart),
        ReloadRule("server.maximumConnections", .restart),
        ReloadRule("server.idleTimeout", .restart),
        ReloadRule("server.http2", .restart),
        ReloadRule("server.memory", .restart),
        ReloadRule("server.directAnswers", .restart),
        ReloadRule("server.drainDelay", .restart),
        ReloadRule("server.drainTimeout", .restart),
        ReloadRule("server.events", .restart),
        ReloadRule("server.tickets", .restart),
        ReloadRule("server.cursorKey", .restart),
        ReloadRule("log.level", .applied),
        ReloadRule("log.format", .restart),
        ReloadRule("log.bufferSize", .restart),
        ReloadRule("connections[]", .restart),
        ReloadRule("connections[].requestsPerMinute", .depends),
        ReloadRule("connections[].credential", .restart),
        ReloadRule("connections[].credential.type", .depends),
        ReloadRule("connections[].credential.clientSecret", .applied),
        ReloadRule("connections[].credential.certificate", .applied),
        ReloadRule("connections[].credential.key", .applied),
        ReloadRule("connections[].credential.passphrase", .depends),
        ReloadRule("connections[].credential.algorithm", .applied),
        ReloadRule("connections[].credential.sendChain", .applied),
        ReloadRule("connections[].credential.tokenFile", .applied),
        ReloadRule("ledger", .restart),
        ReloadRule("downloads", .restart),
        ReloadRule("engine", .restart),
        ReloadRule("sealing", .restart),
        ReloadRule("webhooks", .restart),
        ReloadRule("retention", .restart),
        ReloadRule("audit", .restart),
        ReloadRule("traces", .restart),
        ReloadRule("egress", .restart),
    ]

    /// The effect of a change of `key`, written without the names of elements. What no rule speaks of needs a restart.
    static func effect(of key: String) -> Effect {
        all.filter { $0.covers(key) }.max { $0.key.utf8.count < $1.key.utf8.count }?.effect ?? .restart
    }

    /// Whether it speaks of a key: of the very one, or of one below.
    func covers(_ key: String) -> Bool {
        guard key.hasPrefix(self.key) else { return false }
        let rest = key.dropFirst(self.key.count)
        return rest.isEmpty || rest.first == "." || rest.first == "["
    }
}
