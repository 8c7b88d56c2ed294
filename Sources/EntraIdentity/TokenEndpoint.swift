import Exports
import Foundation
import UpstreamHTTP

/// One application in one tenant, at its authority's v2 token endpoint (`powerbi-entra.md` B1).
struct TokenEndpoint: Sendable {
    let url: UpstreamURL
    let clientID: String
    let credential: EntraCredential
    let client: UpstreamClient

    /// Asks for a token, once. What the authority answers becomes a grant or a `ProviderError`.
    func requestToken(for scope: TokenScope, context: CallContext) async throws(ProviderError) -> TokenGrant {
        var request = UpstreamRequest("entra.token", .post, url)
        request.isPaced = false
        request.bodyLimit = 256 << 10
        request.rejectsToken = { _ in false }
        request.form =
            [
                ("grant_type", Secret("client_credentials")), ("client_id", Secret(clientID)),
                ("scope", Secret(scope.rawValue)),
            ] + credential.parameters()
        let response: UpstreamResponse
        do throws(ProviderError) {
            response = try await client.send(request, context: context)
        } catch  where error.code == .ambiguous {
            // Asking twice for a token does no harm, unlike other POSTs.
            throw ProviderError(.transient, error.detail, cause: error.cause)
        }
        guard response.status == 200 else { throw EntraFailure.error(from: response) }
        guard let grant = TokenGrant(response) else {
            throw ProviderError(.permanent, "The token endpoint's answer holds no usable token.")
        }
        return grant
    }
}

/// What the token endpoint grants.
struct TokenGrant: Sendable, Equatable {
    var token: AccessToken
    /// From when on a new token should be asked for, although this one is still good.
    var refreshAt: Timestamp

    /// Reads a 200 answer. Numbers may be strings, as the v1 endpoint writes them. Nil when there is no bearer token.
    init?(_ response: UpstreamResponse) {
        guard let json = response.json, let text = json["access_token"]?.string, !text.isEmpty,
            json["token_type"]?.string?.lowercased() == "bearer",
            let lifetime = Self.seconds(json["expires_in"]), lifetime > 0
        else { return nil }
        let end = response.receivedAt + .seconds(lifetime)
        token = AccessToken(Secret(text), expiresAt: end)
        if let refresh = Self.seconds(json["refresh_in"]), refresh > 0, refresh < lifetime {
            refreshAt = response.receivedAt + .seconds(refresh)
        } else if lifetime >= 7200 {
            refreshAt = response.receivedAt + .seconds(lifetime / 2)
        } else {
            // 300 s before the end, or at half of a life so short that this would be at once.
            refreshAt = response.receivedAt + .seconds(max(lifetime - 300, lifetime / 2))
        }
    }

    private static func seconds(_ value: JSONValue?) -> Int64? {
        guard let number = value?.integer ?? value?.string.flatMap({ Int64($0) }) else { return nil }
        return min(number, 10 * 86_400)
    }
}
