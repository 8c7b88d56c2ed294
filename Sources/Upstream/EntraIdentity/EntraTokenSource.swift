public import Exports
public import UpstreamHTTP

/// The tokens of one application in one tenant, by client credentials.
///
/// At most one call at a time for each scope. Tokens are renewed before they expire. When that fails, they are used until they
/// expire.
public final class EntraTokenSource: AccessTokenSource {
    private let endpoint: TokenEndpoint
    private let tokens: SharedTokens<TokenScope>

    /// Makes a source for the endpoint's application.
    public init(endpoint: TokenEndpoint, time: any TimeSource) {
        self.endpoint = endpoint
        // Far more than needed: a connection uses one or two scopes.
        tokens = SharedTokens(time: time, capacity: 64)
    }

    public func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        try await tokens.token(for: scope, replacing: rejected) { () async throws(ProviderError) in
            try await endpoint.requestToken(for: scope, .clientCredentials, context: context)
        }
    }
}
