/// How much of the gateway one caller may use. Nil, everywhere: as much as it likes.
public struct CallerLimits: Sendable, Hashable {
    /// Requests in a minute, averaged.
    public var requestsPerMinute: Int?
    /// Requests that may come at once after a pause; nil: as many as are allowed in ten seconds, at least one.
    public var requestBurst: Int?
    /// Requests that wait for a change (`Prefer: wait`), and event streams, at a time.
    public var waits: Int?
    /// Exports created in any 24 hours.
    public var createsPerDay: Int?
    /// Bytes of files in `downloadPeriod`, averaged.
    public var downloadBytes: Int?
    public var downloadPeriod: Duration = CallerLimits.day
    /// Downloads at a time; nil: as many as every caller may have.
    public var downloads: Int?

    /// The period of `createsPerDay`.
    public static let day = Duration.seconds(86_400)

    /// No limits.
    public init() {}

    /// The requests that may come at once; nil where requests are not limited.
    public var burst: Int? { requestsPerMinute.map { requestBurst ?? max(1, $0 / 6) } }
}

/// The limits of all callers.
public struct CallerLimitTable: Sendable, Hashable {
    /// The limits of each caller that is not named.
    public var others = CallerLimits()
    /// The limits of callers that are named, by their ids.
    public var callers: [String: CallerLimits] = [:]

    /// No limits.
    public init() {}

    /// The limits of one caller.
    public func limits(of caller: String) -> CallerLimits {
        // The empty table is asked for every request of a gateway without limits.
        callers.isEmpty ? others : callers[caller] ?? others
    }
}
