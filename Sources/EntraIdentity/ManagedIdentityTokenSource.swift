public import Exports
public import UpstreamHTTP

/// The tokens of a managed identity. One call at a time for each scope, however many ask.
public final class ManagedIdentityTokenSource: AccessTokenSource {
    private let identity: ManagedIdentity
    private let client: UpstreamClient
    private let time: any TimeSource
    private let tokens: SharedTokens<TokenScope>

    /// Makes a source. `client` makes the calls; its settings must let it call the identity's endpoint without a bearer.
    public init(_ identity: ManagedIdentity, client: UpstreamClient, time: any TimeSource) {
        self.identity = identity
        self.client = client
        self.time = time
        tokens = SharedTokens(time: time, capacity: 64)
    }

    public func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        try await tokens.token(for: scope, replacing: rejected) { () async throws(ProviderError) in
            try await fetch(scope, context)
        }
    }

    private func fetch(_ scope: TokenScope, _ context: CallContext) async throws(ProviderError) -> TokenGrant {
        let request = identity.request(for: scope)
        var retries = MetadataRetries()
        while true {
            let response: UpstreamResponse
            do throws(ProviderError) {
                response = try await client.send(request, context: context)
            } catch  where error.code == .transient && !(error.cause is CancellationError) {
                throw ProviderError(
                    .transient,
                    "The service that hands out the managed identity's tokens cannot be reached: is this \(identity.isMetadata ? "a machine of Azure" : "App Service")?",
                    cause: error
                )
            }
            if response.status == 200 {
                guard let grant = TokenGrant(response, orEnd: true) else {
                    throw ProviderError(
                        .permanent,
                        "What answers for managed identities sends no usable token: a proxy may stand in between."
                    )
                }
                return grant
            }
            guard identity.isMetadata, let wait = retries.next(after: response) else {
                throw ManagedIdentityFailure.error(from: response)
            }
            do {
                try await time.sleep(for: wait)
            } catch {
                throw ProviderError(.transient, "The call was given up.", cause: error)
            }
        }
    }
}

/// When the metadata service is asked again: its own rules, with waits that double (`powerbi-entra.md` B4).
struct MetadataRetries {
    /// For what passes: 404 while an identity is being assigned, 429 and 5xx.
    static let waits: [Duration] = [.zero, .seconds(2), .seconds(6), .seconds(14), .seconds(30)]
    /// For 410: the service is being updated, for up to 70 seconds.
    static let updateWaits: [Duration] = [.zero, .seconds(5), .seconds(10), .seconds(20), .seconds(40)]

    private var count = 0

    /// How long to wait before the next try; nil when the answer stands.
    mutating func next(after response: UpstreamResponse) -> Duration? {
        defer { count += 1 }
        switch response.status {
        case 410 where count < Self.updateWaits.count: return Self.updateWaits[count]
        case 404 where count < Self.waits.count, 429 where count < Self.waits.count,
            500...599 where count < Self.waits.count:
            return max(Self.waits[count], min(response.retryAfter ?? .zero, .seconds(60)))
        default: return nil
        }
    }
}

/// The errors of the services that hand out managed identities' tokens, as ours.
enum ManagedIdentityFailure {
    static func error(from response: UpstreamResponse) -> ProviderError {
        let json = response.json
        let words = json?["error_description"]?.string ?? json?["message"]?.string
        let upstream = UpstreamErrorInfo(
            status: response.status,
            code: json?["error"]?.string.flatMap { $0.utf8.count <= 64 ? $0 : nil },
            message: EntraFailure.clean(words),
            requestId: response.headers["x-ms-request-id"]
        )
        switch response.status {
        case 429:
            return ProviderError(
                .throttled,
                "The managed identity's service asks to wait.",
                retryAfter: min(response.retryAfter ?? .seconds(5), .seconds(3600)),
                upstream: upstream
            )
        case 404, 410, 500...599:
            // App Service says 500 for a resource that it does not know, too.
            return ProviderError(
                .transient,
                "The managed identity's service has no token now; if this stays, see the connection's scope.",
                retryAfter: min(response.retryAfter ?? .seconds(5), .seconds(3600)),
                upstream: upstream
            )
        case 400 where words?.contains("Identity not found") == true:
            return ProviderError(
                .unauthenticated,
                "No managed identity is assigned here, or not the one that the connection names.",
                upstream: upstream
            )
        case 403 where String(decoding: response.body, as: UTF8.self).contains("unreachable network"):
            return ProviderError(
                .unauthenticated,
                "There is no managed identity here: this is not Azure.",
                upstream: upstream
            )
        default:
            return ProviderError(
                .unauthenticated,
                "The managed identity's service refused the request. See upstream for its own words.",
                upstream: upstream
            )
        }
    }
}
