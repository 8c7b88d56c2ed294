#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What Entra ID wants a user to prove before it issues a token: a second factor, a compliant device
/// (`Upstream-EntraID, On behalf of`).
///
/// Only the caller's own sign-in can answer it, so it goes to the caller as it came.
public struct ClaimsChallenge: Sendable, Hashable {
    /// The claims to ask for, a JSON text.
    public var claims: String
    /// Where the caller signs in.
    public var authorizationURI: String

    /// Makes a challenge.
    public init(claims: String, authorizationURI: String) {
        self.claims = claims
        self.authorizationURI = authorizationURI
    }

    /// The claims in base 64, as libraries for Entra ID take them.
    public var encodedClaims: String { Data(claims.utf8).base64EncodedString() }
}
