import Exports
import JSON
import SystemCrypto

/// A user's access token for the application, presented to get another one on the user's behalf
/// (`Upstream-EntraID, On behalf of`).
struct UserAssertion {
    let world: World
    let now: Timestamp

    init(world: World, at now: Timestamp) {
        self.world = world
        self.now = now
    }

    func check(_ text: String) throws(EntraProblem) {
        guard let token = CompactToken(text) else { throw .malformedToken("It has not the form of a JWT.") }
        world.tokens.note(secret: text)
        guard token.header["alg"] == "RS256", let id = token.header["kid"]?.string,
            let key = world.signingKeys.publicKey(id),
            key.verifies(token.signature, of: token.signingInput, .rs256),
            token.claims["tid"]?.string == SandboxSeed.tenantID
        else {
            throw .invalidGrant(50_013, "Assertion failed signature validation. [Reason - The key was not found.]")
        }
        let own = [SandboxSeed.clientID, "api://\(SandboxSeed.clientID)"]
        guard token.audiences.contains(where: own.contains) else {
            throw .invalidGrant(
                500_131,
                "Assertion audience does not match the Client app presenting the assertion. The audience in the assertion "
                    + "was '\(token.audiences.joined(separator: " "))' and the expected audience is "
                    + "'\(SandboxSeed.clientID)' or one of the Application Uris of this application."
            )
        }
        let end = token.time("exp") ?? Timestamp(milliseconds: 0)
        guard now < end + ClientAuthentication.skew else {
            throw .invalidGrant(
                500_133,
                "Assertion is not within its valid time range. Current time: \(UpstreamTime.text(now)), expiry time of "
                    + "assertion \(UpstreamTime.text(end))."
            )
        }
        guard token.claims["scp"] != nil else {
            throw EntraProblem(
                error: "unauthorized_client",
                code: 7_000_114,
                text:
                    "Application '\(token.claims["azp"]?.string ?? token.claims["appid"]?.string ?? "")' is not allowed "
                    + "to make application on-behalf-of calls."
            )
        }
    }
}
