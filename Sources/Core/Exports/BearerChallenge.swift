/// What a client is told of the credential that a call needs: the parameters of `WWW-Authenticate: Bearer` (RFC 6750, 3).
public struct BearerChallenge: Sendable, Hashable {
    /// What is wrong with the credential that was sent.
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        /// It is unknown, expired, or not meant for this gateway.
        case invalidToken = "invalid_token"
        /// It is valid, but not sufficient for this call: `scope` names what is missing.
        case insufficientScope = "insufficient_scope"
        /// The authority wants to know more of the user: `claims` says what to ask it for (`Upstream-EntraID, On behalf of`).
        case insufficientClaims = "insufficient_claims"
    }

    /// Nil where no credential was sent.
    public var reason: Reason?
    /// The permission that is missing.
    public var scope: String?
    /// The claims to request a new token with, as base 64 text.
    public var claims: String?
    /// Where to request a token.
    public var authorizationURI: String?

    /// Makes a challenge; without a reason it only asks for a credential.
    public init(
        _ reason: Reason? = nil,
        scope: String? = nil,
        claims: String? = nil,
        authorizationURI: String? = nil
    ) {
        self.reason = reason
        self.scope = scope
        self.claims = claims
        self.authorizationURI = authorizationURI
    }
}
