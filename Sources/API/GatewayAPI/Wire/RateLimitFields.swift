import Exports
import HTTPTypes

/// The header fields that tell a client about the limit that it has reached (draft-ietf-httpapi-ratelimit-headers).
struct RateLimitFields: Sendable {
    private let quota: DownloadQuota
    private let seconds: Int64

    /// Describes a limit that was met, for a client that may come again after a time.
    init(_ quota: DownloadQuota, retryAfter: Duration?) {
        self.quota = quota
        seconds = retryAfter?.wholeSecondsRoundedUp ?? 0
    }

    /// Sets the policy and what is left of it: nothing, until `Retry-After`.
    func add(to headers: inout HTTPFields) {
        headers[.rateLimitPolicy] = "\"\(quota.name.rawValue)\";q=\(quota.limit);qu=\"\(DownloadQuota.unit)\""
        headers[.rateLimit] = "\"\(quota.name.rawValue)\";r=0;t=\(seconds)"
    }
}

extension HTTPField.Name {
    static let rateLimit = HTTPField.Name("RateLimit")!
    static let rateLimitPolicy = HTTPField.Name("RateLimit-Policy")!
}
