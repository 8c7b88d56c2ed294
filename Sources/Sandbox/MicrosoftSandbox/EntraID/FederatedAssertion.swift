import Exports
import JSON
import SystemCrypto

/// A token of somebody else's, who vouches for the application (`Upstream-EntraID, Federated tokens`). Issuer, audience and
/// subject have to be registered to the letter; then the issuer's key decides.
struct FederatedAssertion {
    let world: World
    let call: Call
    let token: CompactToken

    /// Kubernetes gives tokens for a day at most.
    private static let longest = Duration.seconds(86_400)

    func check() throws(EntraProblem) {
        let issuer = token.claims["iss"]?.string ?? ""
        let subject = token.claims["sub"]?.string ?? ""
        var matching = world.registration.federatedCredentials.filter { $0.issuer == issuer }
        guard !matching.isEmpty else { throw noMatch(700_211, "issuer '\(issuer)'") }
        matching = matching.filter { token.audiences.contains($0.audience) }
        guard !matching.isEmpty else {
            throw noMatch(700_212, "audience '\(token.audiences.joined(separator: " "))'")
        }
        guard matching.contains(where: { $0.subject == subject }) else {
            throw noMatch(700_213, "subject '\(subject)'")
        }
        guard let keys = world.registration.keys(of: issuer) else {
            throw EntraProblem(
                error: "invalid_request",
                code: 90_061,
                text: "Request to External OIDC endpoint failed."
            )
        }
        guard token.header["alg"] == "RS256" else {
            throw .malformedToken("The algorithm is not supported; use RS256.")
        }
        guard let id = token.header["kid"]?.string, let key = keys[id],
            key.verifies(token.signature, of: token.signingInput, .rs256)
        else { throw .invalidClient(50_012, "Client assertion contains an invalid signature.") }
        try token.checkTimes(at: call.now, longest: Self.longest)
    }

    private func noMatch(_ code: Int, _ what: String) -> EntraProblem {
        .invalidClient(
            code,
            "No matching federated identity record found for presented assertion \(what). Check your federated identity "
                + "credential Subject, Audience and Issuer against the presented assertion. "
                + "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
        )
    }
}
