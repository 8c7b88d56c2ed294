import Exports
import Foundation
import JSON
public import UpstreamHTTP

/// The kind of a token request.
enum TokenRequestKind: Sendable {
    /// For the application itself.
    case clientCredentials
    /// For the user whose token this is.
    case onBehalfOf(Secret)
    /// For the user to whom this refresh token was granted.
    case refreshToken(Secret)

    fileprivate var isForAUser: Bool { if case .clientCredentials = self { false } else { true } }

    fileprivate var parameters: [FormField] {
        switch self {
        case .clientCredentials: [FormField("grant_type", open: "client_credentials")]
        case .onBehalfOf(let assertion):
            [
                FormField("grant_type", open: "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                FormField("requested_token_use", open: "on_behalf_of"), FormField("assertion", assertion),
            ]
        case .refreshToken(let token):
            [FormField("grant_type", open: "refresh_token"), FormField("refresh_token", token)]
        }
    }
}

/// One application in one tenant, at its authority's v2 token endpoint (`Upstream-EntraID, Token endpoint`).
public struct TokenEndpoint: Sendable {
    let url: UpstreamURL
    let clientID: String
    let credential: EntraCredential
    let client: UpstreamClient

    /// The endpoint for `clientID` in `tenant` (an id or a verified domain), at `authority`, the login host's root; `credential` is
    /// the application's own.
    ///
    /// `client` makes the calls; its settings must let it call the authority's host without a bearer.
    public init(
        authority: UpstreamURL,
        tenant: String,
        clientID: String,
        credential: EntraCredential,
        client: UpstreamClient
    ) {
        url = authority.appending(path: [tenant, "oauth2", "v2.0", "token"])
        self.clientID = clientID
        self.credential = credential
        self.client = client
    }

    /// Where users of this tenant sign in, for challenges.
    private var authorizationURI: String {
        String(url.reveal().dropLast("token".count)) + "authorize"
    }

    /// Requests a token. Tries up to three times where the answer is not about tokens at all, such as a proxy's web page. Returns a grant,
    /// or throws a `ProviderError`, which is `transient` unless Entra ID itself has refused.
    func requestToken(
        for scope: TokenScope,
        _ kind: TokenRequestKind,
        context: CallContext
    ) async throws(ProviderError) -> TokenGrant {
        var request = UpstreamRequest("entra.token", .post, url)
        request.isPaced = false
        request.bodyLimit = AnswerLimit.token
        request.rejectsToken = { _ in false }
        // To request a token twice does no harm, unlike other POSTs.
        request.isHarmless = true
        request.isWorthAnotherTry = { TokenGrant.saysNothing($0) && !EntraFailure.isEntras($0) }
        request.form =
            kind.parameters + [FormField("client_id", open: clientID), FormField("scope", open: scope.rawValue)]
            + (try await proof(for: kind))
        let response: UpstreamResponse
        do throws(ProviderError) {
            response = try await client.send(request, context: context)
        } catch  where error.code == .ambiguous {
            throw ProviderError(.transient, error.detail, cause: error.cause)
        }
        guard response.status == 200 else {
            throw EntraFailure.error(
                from: response,
                to: kind,
                scope: scope,
                clientID: clientID,
                authorizationURI: authorizationURI
            )
        }
        guard let grant = TokenGrant(response) else {
            throw ProviderError(
                .transient,
                "The token endpoint's answer holds no usable token\(response.fault.map { ": it \($0)" } ?? ""). Perhaps a proxy answers in its place. If this persists, check the connection's authority.",
                problem: .upstreamBroken,
                upstream: UpstreamErrorInfo(status: response.status)
            )
        }
        return grant
    }
}

extension TokenEndpoint {
    /// The parameters of the application's credential. In a request for a user, a credential that cannot be used is not the user's fault:
    /// the error is `transient`, because the operator can fix it.
    private func proof(for kind: TokenRequestKind) async throws(ProviderError) -> [FormField] {
        do throws(ProviderError) {
            return try await credential.parameters(audience: url.reveal(), clientID: clientID)
        } catch  where error.code == .unauthenticated && kind.isForAUser {
            throw ProviderError(
                .transient,
                error.detail,
                problem: .upstreamUnauthenticated,
                retryAfter: TokenCache.refusalLife,
                cause: error.cause
            )
        }
    }
}

/// What the token endpoint grants.
struct TokenGrant: Sendable, Equatable {
    var token: AccessToken
    /// From when on a new token should be requested, although this one is still valid.
    var refreshAt: Timestamp
    /// The refresh token, where one was requested and granted.
    var refreshToken: Secret?

    /// Reads a 200 answer. Numbers may be strings, as the v1 endpoint writes them. Nil when there is no bearer token, and
    /// when there is no `expires_in`; `orEnd` lets `expires_on` stand in for it, in seconds since 1970.
    init?(_ response: UpstreamResponse, orEnd: Bool = false) {
        guard let json = response.json, let text = json["access_token"]?.string, !text.isEmpty,
            json["token_type"]?.string?.lowercased() == "bearer"
        else { return nil }
        let now = response.receivedAt.milliseconds / 1000
        let end = orEnd ? Self.number(json["expires_on"]).flatMap { $0 > now ? $0 - now : nil } : nil
        guard let lifetime = (Self.number(json["expires_in"]) ?? end).map({ min($0, Self.longestLife) }), lifetime > 0
        else { return nil }
        token = AccessToken(Secret(text), expiresAt: response.receivedAt + .seconds(lifetime))
        if let refresh = Self.number(json["refresh_in"]), refresh > 0, refresh < lifetime {
            refreshAt = response.receivedAt + .seconds(refresh)
        } else if lifetime >= 7200 {
            refreshAt = response.receivedAt + .seconds(lifetime / 2)
        } else {
            // 300 seconds before the end, or after half of the lifetime where that is later.
            refreshAt = response.receivedAt + .seconds(max(lifetime - 300, lifetime / 2))
        }
        // Metadata services send an empty refresh token.
        refreshToken = json["refresh_token"]?.string.flatMap { $0.isEmpty ? nil : Secret($0) }
    }

    /// Whether an answer is not about tokens at all: no success with a token, no throttling, and no failure with a `Retry-After`.
    static func saysNothing(_ response: UpstreamResponse) -> Bool {
        response.status < 500 && response.status != 429 && response.retryAfter == nil
            && response.json?["access_token"] == nil
    }

    /// The longest lifetime that is believed: ten days.
    private static let longestLife: Int64 = 10 * 86_400

    private static func number(_ value: JSONValue?) -> Int64? {
        value?.integer ?? value?.string.flatMap { Int64($0) }
    }
}
