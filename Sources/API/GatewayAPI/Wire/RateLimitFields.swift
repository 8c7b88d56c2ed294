import Exports
import HTTPTypes
import JSON

/// The header fields that tell a client about the limit that it has reached (draft-ietf-httpapi-ratelimit-headers).
struct RateLimitFields: Sendable {
    private let name: String
    private let limit: Int64
    private let unit: String
    private let seconds: Int64

    /// Reads the member `quota` of a refusal; nil where there is none.
    init?(_ error: GatewayError) {
        guard let quota = error.members["quota"], let name = quota["name"]?.string,
            let limit = quota["limit"]?.integer, let unit = quota["unit"]?.string
        else { return nil }
        self.name = name
        self.limit = limit
        self.unit = unit
        seconds = error.retryAfter?.wholeSecondsRoundedUp ?? 0
    }

    /// Sets the policy and what is left of it: nothing, until `Retry-After`.
    func add(to headers: inout HTTPFields) {
        headers[.rateLimitPolicy] = "\"\(name)\";q=\(limit);qu=\"\(unit)\""
        headers[.rateLimit] = "\"\(name)\";r=0;t=\(seconds)"
    }
}

extension HTTPField.Name {
    static let rateLimit = HTTPField.Name("RateLimit")!
    static let rateLimitPolicy = HTTPField.Name("RateLimit-Policy")!
}
