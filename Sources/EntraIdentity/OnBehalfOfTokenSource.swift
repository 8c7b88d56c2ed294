public import Exports
import SystemCrypto
public import UpstreamHTTP

/// The tokens of the users who call, exchanged for the tokens that they bring: on behalf of (`powerbi-entra.md` B5).
///
/// What a user brings in `Upstream-Authorization` is an access token for the gateway's own application. Each is exchanged
/// once for each scope, however many calls come with it. Tokens are kept by the SHA-256 of what the user brought, at most
/// `capacity` of them, in memory only.
public final class OnBehalfOfTokenSource: AccessTokenSource {
    private struct Key: Hashable {
        var scope: TokenScope
        var assertion: [UInt8]
    }

    private let endpoint: TokenEndpoint
    private let tokens: SharedTokens<Key>

    /// Makes a source for `clientID` in `tenant`, at `authority`; `credential` is the application's own.
    ///
    /// `client` makes the calls; its settings must let it call the authority's host without a bearer.
    public init(
        authority: UpstreamURL,
        tenant: String,
        clientID: String,
        credential: EntraCredential,
        client: UpstreamClient,
        time: any TimeSource,
        capacity: Int = 10_000
    ) {
        endpoint = TokenEndpoint(
            authority: authority,
            tenant: tenant,
            clientID: clientID,
            credential: credential,
            client: client
        )
        tokens = SharedTokens(time: time, capacity: capacity)
    }

    /// As the protocol says. Throws `unauthenticated` with `upstream-authorization-required` when the caller has brought
    /// nothing, or something that has ended; with `upstream-claims-required` and the challenge when the user has to prove
    /// more; and `forbidden` with `upstream-consent-required` when the application lacks a permission.
    public func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        guard let assertion = context.authorization else {
            throw ProviderError(
                .unauthenticated,
                "Send a token for this gateway's application in Upstream-Authorization: Bearer <token>.",
                problem: .upstreamAuthorizationRequired
            )
        }
        let key = Key(scope: scope, assertion: SHA256.hash(Array(assertion.reveal().utf8)))
        return try await tokens.token(for: key, replacing: rejected) { () async throws(ProviderError) in
            try await endpoint.requestToken(for: scope, .onBehalfOf(assertion), context: context)
        }
    }
}
