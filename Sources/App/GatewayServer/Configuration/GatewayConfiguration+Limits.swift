import Exports
import Yams

extension CallerLimitTable {
    /// Reads `server.limits`: the limits of every caller, and in `callers` those of single ones. What a caller's entry leaves out is as
    /// for every caller; 0 lifts a limit.
    ///
    /// - Parameter known: The ids of the configured callers; others must be users or applications with access tokens, where
    ///   `takesTokens`.
    init(
        limits node: Node?,
        known: [String],
        takesTokens: Bool,
        _ environment: OperatorEnvironment
    ) throws(StartupError) {
        self.init()
        var section = try ConfigurationSection(node, path: "server.limits", environment: environment)
        others = try section.callerLimits(CallerLimits())
        for var entry in try section.sections("callers") {
            let caller = try entry.requiredText("caller")
            let isOfToken = takesTokens && ["user:", "app:"].contains { caller.hasPrefix($0) }
            guard known.contains(caller) || isOfToken else {
                throw entry.error(
                    "caller",
                    "\(caller.prefix(64)) is no caller" + ObjectReader.suggestion(for: caller, among: known)
                        + "; write the id of an API key or a client certificate, or user:<tenant>:<id> or app:<tenant>:<id>"
                )
            }
            guard callers[caller] == nil else { throw entry.error("caller", "\(caller) has limits already") }
            environment.record(name: caller, of: entry.path)
            var limits = try entry.callerLimits(others)
            let downloads = try entry.integer("downloads", in: 0...65_536, default: 0)
            limits.downloads = downloads == 0 ? nil : downloads
            try entry.finish()
            callers[caller] = limits
        }
        try section.finish()
    }
}

extension ConfigurationSection {
    /// The limits of a caller; what is left out is as in `fallback`.
    fileprivate mutating func callerLimits(_ fallback: CallerLimits) throws(StartupError) -> CallerLimits {
        var limits = fallback
        limits.requestsPerMinute = try limit("requestsPerMinute", upTo: 10_000_000, fallback.requestsPerMinute)
        // A caller whose requests are not limited has no burst either.
        let burst = limits.requestsPerMinute == nil ? nil : fallback.requestBurst
        limits.requestBurst = try limit("requestBurst", upTo: 1_000_000, burst)
        guard limits.requestBurst == nil || limits.requestsPerMinute != nil else {
            throw error("requestBurst", "needs requestsPerMinute, of which it is the part that may come at once")
        }
        limits.waits = try limit("waits", upTo: 65_536, fallback.waits)
        limits.createsPerDay = try limit("createsPerDay", upTo: 100_000, fallback.createsPerDay)
        limits.downloadBytes = try limit("downloadBytes", upTo: 1 << 50, fallback.downloadBytes)
        limits.downloadPeriod = try duration(
            "downloadPeriod",
            in: .seconds(60) ... .seconds(30 * 86_400),
            default: fallback.downloadPeriod
        )
        return limits
    }

    /// A limit; 0: none.
    private mutating func limit(_ name: String, upTo most: Int, _ fallback: Int?) throws(StartupError) -> Int? {
        let number = try integer(name, in: 0...most, default: fallback ?? 0)
        return number == 0 ? nil : number
    }
}
