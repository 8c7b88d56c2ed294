import Exports

/// The refusal of an access token.
struct TokenRefusal: Error {
    let reason: Reason
    /// When to try again; nil where the token will never be accepted.
    let retryAfter: Duration?

    init(_ reason: Reason, retryAfter: Duration? = nil) {
        self.reason = reason
        self.retryAfter = retryAfter
    }

    /// The error for the client.
    var problem: GatewayError {
        if let retryAfter { return GatewayError(.unavailable, reason.detail, retryAfter: retryAfter) }
        return GatewayError(.unauthenticated, reason.detail, challenge: BearerChallenge(.invalidToken))
    }
}

extension TokenRefusal {
    /// Why. The raw value is the metric label: never reused for something else.
    enum Reason: String, Sendable, CaseIterable {
        case malformed
        case tooLarge = "too-large"
        case algorithm
        case unknownKey = "unknown-key"
        case signature
        case expired
        case notYetValid = "not-yet-valid"
        case tenant
        case issuer
        case audience
        case identity
        case powerless
        /// Perhaps the token is valid: its key could not be fetched from the authority yet.
        case keysUnavailable = "keys-unavailable"

        /// The detail for the caller. Repeats nothing of the token.
        fileprivate var detail: String {
            switch self {
            case .malformed: "The access token is not a signed JWT that can be read."
            case .tooLarge: "The access token must not have more than \(JSONWebToken.maxBytes) bytes."
            case .algorithm: "The access token must be signed with RS256 or PS256."
            case .unknownKey: "The access token names no key of the authority."
            case .signature: "The access token was not signed with this key of the authority."
            case .expired: "The access token has expired."
            case .notYetValid: "The access token is not valid yet."
            case .tenant: "The access token is of another tenant."
            case .issuer: "The access token has another issuer."
            case .audience: "The access token is for another audience: ask for one for this gateway's own application."
            case .identity: "The access token does not say which user or application it was issued for."
            case .powerless: "The access token has neither scopes nor roles: an administrator must grant some."
            case .keysUnavailable: "The key to check this access token with cannot be fetched from the authority now."
            }
        }
    }
}
