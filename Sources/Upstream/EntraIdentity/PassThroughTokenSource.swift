public import Exports
public import UpstreamHTTP

/// The caller's own upstream tokens, as they came with a request: for APIs that know delegated permissions only, and
/// wherever the gateway is to act with the caller's rights.
///
/// A token is good for one scope. That of the API comes in `Upstream-Authorization`; where files come from hosts with a
/// resource of their own (`Upstream-GraphEDiscovery, Download`), that of downloads comes in `Upstream-Download-Authorization`.
/// Neither is kept here, and neither is ever shown in the other's place.
public struct PassThroughTokenSource: AccessTokenSource {
    private let scope: TokenScope
    private let downloadScope: TokenScope?
    public let actsForUsers = true

    /// Makes a source whose tokens are shown for `scope`, and with downloads for `downloadScope` where that is another one.
    public init(scope: TokenScope, downloadScope: TokenScope? = nil) {
        self.scope = scope
        self.downloadScope = downloadScope
    }

    /// As the protocol says. Throws `unauthenticated` with `upstream-authorization-required`, naming the header and the scope,
    /// when the caller has not brought this token, has brought one that says itself that it is for another service, or the
    /// upstream has just refused it.
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
