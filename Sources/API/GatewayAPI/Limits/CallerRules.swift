import Exports

/// The limits of a caller, ready for use.
struct CallerRules: Sendable {
    /// How many requests.
    struct Requests: Sendable {
        var quota: Quota
        var allowance: Allowance
        /// The item of `RateLimit-Policy`, written once.
        var policy: String
    }

    /// How many bytes of files.
    struct Bytes: Sendable {
        var quota: Quota
        var allowance: Allowance
    }

    var requests: Requests?
    var bytes: Bytes?
    var waits: Int?
    var downloads: Int?
    var createsPerDay: Int?

    init(_ limits: CallerLimits) {
        if let perMinute = limits.requestsPerMinute, let burst = limits.burst {
            let quota = Quota(.requests, limit: perMinute, window: .seconds(60))
            requests = Requests(
                quota: quota,
                allowance: Allowance(perMinute: perMinute, burst: burst),
                policy: RateLimitFields.policy(of: quota)
            )
        }
        bytes = limits.downloadBytes.map { count in
            Bytes(
                quota: Quota(.downloadBytes, limit: count, window: limits.downloadPeriod),
                allowance: Allowance(count, in: limits.downloadPeriod)
            )
        }
        waits = limits.waits
        downloads = limits.downloads
        createsPerDay = limits.createsPerDay
    }
}
