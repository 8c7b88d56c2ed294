import Exports
import Foundation
import JSON
import UpstreamHTTP

/// What a token is asked for with.
enum TokenRequestKind: Sendable {
    /// In the application's own name.
    case clientCredentials
    /// In the name of the user whose token this is.
    case onBehalfOf(Secret)
    /// In the name of the user for whom this was granted.
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
struct TokenEndpoint: Sendable {
    let url: UpstreamURL
    let clientID: String
    let credential: EntraCredential
    let client: UpstreamClient

    init(
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

    /// Asks for a token; up to three times where what answers says nothing of one, such as a web page in between. What the
    /// authority answers becomes a grant or a `ProviderError`: `transient` for whatever is no refusal of Entra ID's own.
    func requestToken(
        for scope: TokenScope,
        _ kind: TokenRequestKind,
        context: CallContext
    ) async throws(ProviderError) -> TokenGrant {
        var request = UpstreamRequest("entra.token", .post, url)
        request.isPaced = false
        request.bodyLimit = AnswerLimit.token
        request.rejectsToken = { _ in false }
        // Asking twice for a token does no harm, unlike other POSTs.
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
                "The token endpoint's answer holds no usable token\(response.fault.map { ": it \($0)" } ?? ""). Perhaps something stands in between; if this stays, see the connection's authority.",
                problem: .upstreamBroken,
                upstream: UpstreamErrorInfo(status: response.status)
            )
        }
        return grant
    }
}

extension TokenEndpoint {
    /// The parameters by which the application proves who it is. Where it asks for a user and has no proof, nothing is wrong
    /// with the user: worth another try, when the operator has seen to it.
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
    /// From when on a new token should be asked for, although this one is still good.
    var refreshAt: Timestamp
    /// What gets the next one without the user, where it was asked for and granted.
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
            // 300 s before the end, or at half of a life so short that this would be at once.
            refreshAt = response.receivedAt + .seconds(max(lifetime - 300, lifetime / 2))
        }
        // Metadata services send an empty one.
        refreshToken = json["refresh_token"]?.string.flatMap { $0.isEmpty ? nil : Secret($0) }
    }

    /// Whether an answer says neither that there is a token nor that there is none: no success with one, no throttling and no
    /// failure that says when to come back.
    static func saysNothing(_ response: UpstreamResponse) -> Bool {
        response.status < 500 && response.status != 429 && response.retryAfter == nil
            && response.json?["access_token"] == nil
    }

    /// Longer lives than ten days are not believed.
    private static let longestLife: Int64 = 10 * 86_400

    private static func number(_ value: JSONValue?) -> Int64? {
        value?.integer ?? value?.string.flatMap { Int64($0) }
    }
}
