import Exports

/// Why an access token is not taken. The raw value is the metric label: never reused for something else.
enum TokenRefusal: String, Error, Sendable, CaseIterable {
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
    /// Not the token's fault: the authority's keys could not be had yet.
    case keysUnavailable = "keys-unavailable"

    /// What the caller is told. Repeats nothing of the token.
    private var detail: String {
        switch self {
        case .malformed: "The access token is not a signed JWT that can be read."
        case .tooLarge: "The access token must not have more than \(JSONWebToken.maxBytes) bytes."
        case .algorithm: "The access token must be signed with RS256 or PS256."
        case .unknownKey: "The access token names no key of the authority."
        case .signature: "The access token's signature is not the authority's."
        case .expired: "The access token has expired."
        case .notYetValid: "The access token is not valid yet."
        case .tenant: "The access token is of another tenant."
        case .issuer: "The access token has another issuer."
        case .audience: "The access token is for another audience: ask for one for this gateway's own application."
        case .identity: "The access token does not say which user or application it is of."
        case .powerless: "The access token has neither scopes nor roles: an administrator must grant some."
        case .keysUnavailable: "The keys to check access tokens with cannot be had from the authority now."
        }
    }

    /// What a client gets to see.
    var problem: GatewayError {
        if self == .keysUnavailable { return GatewayError(.unavailable, detail, retryAfter: .seconds(10)) }
        return GatewayError(.unauthenticated, detail, challenge: BearerChallenge(.invalidToken))
    }
}
