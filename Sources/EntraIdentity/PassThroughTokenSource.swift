public import Exports
public import UpstreamHTTP

/// The caller's own upstream token, as it came in `Upstream-Authorization`: for APIs that know delegated permissions
/// only, and wherever the gateway is to act with the caller's rights.
///
/// It is good for the one scope that the connection names; it is not kept here.
public struct PassThroughTokenSource: AccessTokenSource {
    private let scope: TokenScope
    public let actsForUsers = true

    /// Makes a source whose tokens are shown for `scope` only.
    public init(scope: TokenScope) {
        self.scope = scope
    }

    public func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        guard scope == self.scope else {
            throw ProviderError(
                .unauthenticated,
                "This needs a token for \(scope), which the caller's own token for \(self.scope) is not.",
                problem: .upstreamAuthorizationRequired
            )
        }
        guard let token = context.authorization else {
            throw ProviderError(
                .unauthenticated,
                "Send a token for \(scope) in Upstream-Authorization: Bearer <token>.",
                problem: .upstreamAuthorizationRequired
            )
        }
        guard rejected?.secret != token else {
            throw ProviderError(
                .unauthenticated,
                "The upstream refused the token in Upstream-Authorization; send a new one for \(scope).",
                problem: .upstreamAuthorizationRequired
            )
        }
        return AccessToken(token)
    }
}
