public import Exports
public import UpstreamHTTP

/// The caller's own upstream tokens, as they came with a request. For APIs with delegated permissions only, and where the gateway
/// acts with the caller's rights.
///
/// A token is valid for one scope. The token for the API is in `Upstream-Authorization`. Where files come from hosts with a resource
/// of their own (`Upstream-GraphEDiscovery, Download`), the token for downloads is in `Upstream-Download-Authorization`. Neither
/// is kept here, and neither is ever sent in place of the other.
public struct PassThroughTokenSource: AccessTokenSource {
    private let scope: TokenScope
    private let downloadScope: TokenScope?
    public let actsForUsers = true

    /// Makes a source whose tokens are sent for `scope`, and with downloads for `downloadScope` where that is another one.
    public init(scope: TokenScope, downloadScope: TokenScope? = nil) {
        self.scope = scope
        self.downloadScope = downloadScope
    }

    /// As the protocol says. Throws `unauthenticated` with `upstream-authorization-required`, naming the header and the scope, when the
    /// caller did not send this token, when the token itself says that it is for another service, and when the upstream has just
    /// refused it.
    public func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        let (token, header): (Secret?, String)
        switch scope {
        case self.scope: (token, header) = (context.authorization, "Upstream-Authorization")
        case downloadScope: (token, header) = (context.downloadAuthorization, "Upstream-Download-Authorization")
        default:
            throw Self.needed("This needs a token for \(scope), which the caller's own token for \(self.scope) is not.")
        }
        guard let token else {
            throw Self.needed("Send a token for \(scope) in \(header): Bearer <token>.")
        }
        if let audience = TokenAudience.wrong(token, for: scope) {
            throw Self.needed(
                "The token in \(header) is for \(audience), and another is needed: send one for \(scope). Nothing was sent upstream."
            )
        }
        guard rejected?.secret != token else {
            throw Self.needed("The upstream refused the token in \(header); send a new one for \(scope).")
        }
        return AccessToken(token)
    }

    private static func needed(_ detail: String) -> ProviderError {
        ProviderError(.unauthenticated, detail, problem: .upstreamAuthorizationRequired)
    }
}
