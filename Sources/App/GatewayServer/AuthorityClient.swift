import CallerIdentity
import Exports
import Logging
import Metrics
import UpstreamHTTP

/// Fetches the public documents of the authority that callers' tokens come from, and of no other host.
struct AuthorityClient: AuthorityDocuments {
    private struct NoDocument: Error {}

    private let client: UpstreamClient

    init(
        authority: UpstreamURL,
        transport: UpstreamTransport,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        client = UpstreamClient(
            // Only the authority's own host may be called, whatever address the metadata has for the keys.
            settings: .init(connection: "callers", bearerHosts: [:], openHosts: [.origin(of: authority)]),
            transport: transport,
            tokens: NoTokens(),
            time: time,
            logger: logger,
            metrics: metrics
        )
    }

    func document(at address: String) async throws -> [UInt8] {
        guard let url = UpstreamURL(address) else { throw NoDocument() }
        var request = UpstreamRequest("entra.keys", .get, url)
        request.isPaced = false
        request.timeout = .seconds(5)
        request.bodyLimit = 256 << 10
        let response = try await client.send(request, context: CallContext(requestID: "entra-keys"))
        guard response.status == 200 else { throw NoDocument() }
        return response.body
    }
}

/// The tokens of calls that are made without one.
struct NoTokens: AccessTokenSource {
    func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        throw ProviderError(.unsupported, "This call is made without a token.")
    }
}

extension GatewayConfiguration.TokenIssuer {
    /// The settings for the HTTP API.
    func tokenAuthority(_ documents: any AuthorityDocuments) -> TokenAuthority {
        TokenAuthority(
            url: authority.origin,
            tenantIDs: tenantIDs,
            audiences: audiences,
            clockSkew: clockSkew,
            keyRefreshInterval: keyRefreshInterval,
            documents: documents
        )
    }
}
