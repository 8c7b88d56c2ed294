import CoreMetrics
import Exports
import JSON
import Logging
import SystemCrypto

/// Authenticates callers by Entra access tokens for the gateway's own application (`Upstream-EntraID, Access tokens`).
///
/// Names, addresses and groups in a token decide nothing: they can change, and can be given to another person.
struct AccessTokenVerifier: Sendable {
    private let authority: TokenAuthority
    private let keys: [String: SigningKeys]
    private let time: any TimeSource
    private let metrics: any MetricsFactory

    /// Makes a verifier. Keys that `former` has fetched from the same authority are kept, so that nobody is locked out by a change of
    /// something else while the authority is down.
    init(
        authority: TokenAuthority,
        keepingKeysOf former: AccessTokenVerifier? = nil,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        self.authority = authority
        self.time = time
        self.metrics = metrics
        let kept = former.map { authority.hasKeysOf($0.authority) ? $0.keys : [:] } ?? [:]
        keys = Dictionary(
            authority.tenantIDs.map { tenantID in
                (
                    tenantID,
                    kept[tenantID]
                        ?? SigningKeys(
                            authority: authority,
                            tenantID: tenantID,
                            time: time,
                            logger: logger,
                            metrics: metrics
                        )
                )
            }
        ) { first, _ in first }
    }

    /// The keys of all tenants.
    var signingKeys: [SigningKeys] { Array(keys.values) }

    /// Whether tokens of this tenant are accepted.
    func accepts(tenant: String) -> Bool { keys[tenant] != nil }

    /// The caller of a token. Throws `unauthenticated`, or `unavailable` while it is unknown whether the authority has the
    /// token's key.
    func caller(_ text: some StringProtocol) async throws(GatewayError) -> Caller {
        do throws(TokenRefusal) {
            return try await verified(text)
        } catch {
            Counter(
                label: "export_gateway_access_tokens_refused_total",
                dimensions: [("reason", error.reason.rawValue)],
                factory: metrics
            )
            .increment()
            throw error.problem
        }
    }

    private func verified(_ text: some StringProtocol) async throws(TokenRefusal) -> Caller {
        let token = try JSONWebToken(text)
        // The claims are checked before the signature, so that only a token with acceptable claims can cause a fetch of keys.
        // No token is accepted without the check of its signature.
        let (tenantID, keys) = try tenant(of: token.claims)
        let issuer = try issuer(of: token.claims, tenantID)
        try checkTimes(of: token.claims)
        try checkAudience(of: token.claims)
        let key = try await keys.key(token.keyID)
        guard key.algorithm == nil || key.algorithm == token.algorithm, isKey(key, of: tenantID, issuer),
            key.key.verifies(token.signature, of: token.signedBytes, token.algorithm)
        else { throw TokenRefusal(.signature) }
        var caller = try Self.caller(of: token.claims, tenantID)
        caller.tokenEnd = token.claims["exp"]?.integer.map { Timestamp(milliseconds: $0 * 1000) }
        return caller
    }

    private func tenant(of claims: JSONValue) throws(TokenRefusal) -> (String, SigningKeys) {
        guard let tenantID = claims["tid"]?.string, let keys = keys[tenantID] else { throw TokenRefusal(.tenant) }
        return (tenantID, keys)
    }

    /// v1 or v2, as the gateway's own application is registered; the tenant in it is that of `tid`.
    private func issuer(of claims: JSONValue, _ tenantID: String) throws(TokenRefusal) -> String {
        let versions = [
            "2.0": authority.issuer(of: tenantID),
            "1.0": authority.formerIssuer(of: tenantID),
        ]
        guard let issuer = claims["iss"]?.string, let version = versions.first(where: { $0.value == issuer })?.key,
            claims["ver"].map({ $0.string == version }) ?? true
        else { throw TokenRefusal(.issuer) }
        return issuer
    }

    private func checkTimes(of claims: JSONValue) throws(TokenRefusal) {
        guard let start = claims["nbf"]?.integer, let end = claims["exp"]?.integer, start < end,
            // Larger values would overflow as milliseconds.
            (0...(1 << 40)).contains(start), (0...(1 << 40)).contains(end)
        else { throw TokenRefusal(.malformed) }
        let now = time.now()
        guard now < Timestamp(milliseconds: end * 1000) + authority.clockSkew else { throw TokenRefusal(.expired) }
        guard now + authority.clockSkew >= Timestamp(milliseconds: start * 1000) else {
            throw TokenRefusal(.notYetValid)
        }
    }

    /// Checks the audience: one value, or a list that contains ours. An empty list is refused.
    private func checkAudience(of claims: JSONValue) throws(TokenRefusal) {
        let audiences: [JSONValue] =
            switch claims["aud"] {
            case .string(let audience): [.string(audience)]
            case .array(let audiences): audiences
            default: []
            }
        let names = audiences.compactMap(\.string)
        guard names.count == audiences.count, names.contains(where: { authority.audiences.contains($0) }) else {
            throw TokenRefusal(.audience)
        }
    }

    /// Whether a key signs this tenant's tokens. Keys say so with their v2 issuer, for v1 tokens too.
    private func isKey(_ key: SigningKey, of tenantID: String, _ issuer: String) -> Bool {
        guard let said = key.issuer?.replacing("{tenantid}", with: tenantID) else { return true }
        return said == issuer || said == authority.issuer(of: tenantID)
    }

    private static func caller(of claims: JSONValue, _ tenantID: String) throws(TokenRefusal) -> Caller {
        let kind = claims["idtyp"].map { $0.string ?? "" }
        if let scopes = claims["scp"] {
            guard let names = scopes.string?.split(separator: " "), !names.isEmpty else {
                throw TokenRefusal(.powerless)
            }
            guard kind ?? "user" == "user", let objectID = uuid(claims["oid"]) else { throw TokenRefusal(.identity) }
            return Caller(id: "user:\(tenantID):\(objectID)", kind: .user, permissions: permissions(names))
        }
        guard let roles = claims["roles"]?.array, !roles.isEmpty else { throw TokenRefusal(.powerless) }
        let names = roles.compactMap(\.string)
        guard names.count == roles.count else { throw TokenRefusal(.malformed) }
        // An ID token of a user has the gateway as its audience too, and can have roles; only an application is its own
        // subject.
        guard kind.map({ $0 == "app" }) ?? true, let objectID = uuid(claims["oid"]), uuid(claims["sub"]) == objectID,
            let applicationID = uuid(claims["azp"] ?? claims["appid"])
        else { throw TokenRefusal(.identity) }
        return Caller(id: "app:\(tenantID):\(applicationID)", kind: .application, permissions: permissions(names))
    }

    /// The permissions among the names; all other names are ignored.
    private static func permissions(_ names: [some StringProtocol]) -> Permissions {
        Permissions(names.compactMap { Permission($0) })
    }

    private static func uuid(_ value: JSONValue?) -> String? {
        value?.string.flatMap { UUIDText.isValid($0) ? $0.lowercased() : nil }
    }
}
