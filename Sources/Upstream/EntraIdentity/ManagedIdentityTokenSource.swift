public import Exports
import JSON
public import UpstreamHTTP

/// The tokens of a managed identity. At most one call at a time for each scope.
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

    private static let silentWaits: [Duration] = [.milliseconds(500), .seconds(1)]

    private func fetch(_ scope: TokenScope, _ context: CallContext) async throws(ProviderError) -> TokenGrant {
        let request = identity.request(for: scope)
        var retries = MetadataRetries()
        // Repeated answers of something else than the service, such as a proxy's page.
        var silentTries = 0
        while true {
            let response: UpstreamResponse
            do throws(ProviderError) {
                response = try await client.send(request, context: context)
            } catch  where error.code == .transient && !(error.cause is CancellationError) {
                throw ProviderError(
                    .transient,
                    "The service that issues the managed identity's tokens cannot be reached: is this \(identity.isMetadata ? "a machine of Azure" : "App Service")?",
                    cause: error
                )
            }
            if response.status == 200, let grant = TokenGrant(response, orEnd: true) { return grant }
            let wait: Duration
            if identity.isMetadata, let rest = retries.next(after: response) {
                wait = rest
            } else if ManagedIdentityFailure.isOthers(response), silentTries < Self.silentWaits.count {
                wait = Self.silentWaits[silentTries]
                silentTries += 1
            } else {
                throw ManagedIdentityFailure.error(from: response)
            }
            do {
                try await time.sleep(for: wait)
            } catch {
                throw ProviderError(.transient, "The call was cancelled.", cause: error)
            }
        }
    }
}

/// When the metadata service is called again: Microsoft's rules, with waits that double (`Upstream-EntraID, Managed identities`).
struct MetadataRetries {
    /// For temporary failures: 404 while an identity is being assigned, 429 and 5xx.
    static let waits: [Duration] = [.zero, .seconds(2), .seconds(6), .seconds(14), .seconds(30)]
    /// For 410: the service is being updated, for up to 70 seconds.
    static let updateWaits: [Duration] = [.zero, .seconds(5), .seconds(10), .seconds(20), .seconds(40)]

    private var count = 0

    /// How long to wait before the next attempt; nil when the answer is final.
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

/// Translates the errors of the services that issue managed identities' tokens.
enum ManagedIdentityFailure {
    /// Whether the answer is not from the service: a redirect, a web page, nothing, or incomplete JSON.
    static func isOthers(_ response: UpstreamResponse) -> Bool {
        guard TokenGrant.saysNothing(response), ![404, 410].contains(response.status) else { return false }
        return response.json?.object == nil && !isUnreachable(response)
    }

    /// Whether a replacement for the metadata service, outside of Azure, says that there is none.
    private static func isUnreachable(_ response: UpstreamResponse) -> Bool {
        response.status == 403 && String(decoding: response.body, as: UTF8.self).contains("unreachable network")
    }

    static func error(from response: UpstreamResponse) -> ProviderError {
        let body = response.errorBody
        let words = body.message
        let upstream = UpstreamErrorInfo(
            status: response.status,
            code: body.code,
            message: EntraFailure.clean(words),
            requestId: response.headers.requestID
        )
        if isOthers(response) || (200...399).contains(response.status) {
            return ProviderError(
                .transient,
                "The endpoint for managed identities sends no usable token (status \(response.status)). Perhaps a proxy answers in its place.",
                problem: .upstreamBroken,
                upstream: upstream
            )
        }
        switch response.status {
        case 429:
            return ProviderError(
                .throttled,
                "The managed identity's service asks to wait.",
                retryAfter: min(response.retryAfter ?? .seconds(5), .seconds(3600)),
                upstream: upstream
            )
        case 404, 410, 500...599:
            // App Service also answers 500 for an unknown resource.
            return ProviderError(
                .transient,
                "The managed identity's service has no token now. If this persists, check the connection's scope.",
                retryAfter: min(response.retryAfter ?? .seconds(5), .seconds(3600)),
                upstream: upstream
            )
        case 400 where words?.contains("Identity not found") == true:
            return ProviderError(
                .unauthenticated,
                "No managed identity is assigned here, or not the one that the connection names.",
                upstream: upstream
            )
        case 403 where isUnreachable(response):
            return ProviderError(
                .unauthenticated,
                "There is no managed identity here: this is not Azure.",
                upstream: upstream
            )
        default:
            return ProviderError(
                .unauthenticated,
                "The managed identity's service refused the request. See upstream for its own message.",
                upstream: upstream
            )
        }
    }
}
