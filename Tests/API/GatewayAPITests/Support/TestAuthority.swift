import Exports
import GatewayAPI
import JSON
import ManualClock
import Synchronization
import SystemCrypto

/// An authority in memory: its metadata, its keys, and how often it was asked for them.
final class TestAuthority: AuthorityDocuments {
    static let url = "https://login.example"
    static let tenantID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
    static let otherTenantID = "94a356ab-53d5-40e7-8a85-053d6d3b9eb3"
    static let audience = "00001111-aaaa-2222-bbbb-3333cccc4444"

    /// Made once: finding primes takes its time. The last one is nobody's.
    static let signers = Result { try (0..<3).map { _ in try PrivateKey.generate(bits: 2048) } }

    struct Down: Error {}

    struct State {
        /// The elements of the key set.
        var keys: [JSONValue] = []
        var isDown = false
        /// The `issuer` of the metadata.
        var issuer: String?
        /// Documents that were asked for, by the end of their address.
        var asked: [String] = []
        /// Called before metadata is given.
        var delay: @Sendable () async throws -> Void = {}
    }

    let state: Mutex<State>

    /// An authority that publishes its first key, as `key-0`.
    init() throws {
        let keys = [try Self.key(0)]
        state = Mutex(State(keys: keys))
    }

    /// The published form of a key, named `key-<index>`.
    static func key(_ index: Int, _ change: (inout [String: JSONValue]) -> Void = { _ in }) throws -> JSONValue {
        let key = try signers.get()[index].publicKey
        var members: [String: JSONValue] = [
            "kty": "RSA", "use": "sig", "kid": .string("key-\(index)"),
            "n": .string(Base64URL.encode(key.modulus)), "e": .string(Base64URL.encode(key.exponent)),
            "x5c": ["MIIC"], "issuer": .string("\(url)/{tenantid}/v2.0"),
        ]
        change(&members)
        return .object(members)
    }

    /// How often keys were fetched.
    var keyFetches: Int { state.withLock { $0.asked.count { $0 == "keys" } } }
    /// How often it was asked for anything at all.
    var calls: Int { state.withLock { $0.asked.count } }

    func document(at address: String) async throws -> [UInt8] {
        let end = String(address.split(separator: "/").last ?? "")
        let (isDown, delay) = state.withLock { state in
            state.asked.append(end)
            return (state.isDown, state.delay)
        }
        if isDown { throw Down() }
        let tenant = address.contains(Self.otherTenantID) ? Self.otherTenantID : Self.tenantID
        let root = "\(Self.url)/\(tenant)"
        switch address {
        case root + "/v2.0/.well-known/openid-configuration":
            try await delay()
            let issuer = state.withLock { $0.issuer } ?? root + "/v2.0"
            let metadata: JSONValue = [
                "issuer": .string(issuer), "jwks_uri": .string(root + "/discovery/v2.0/keys"),
            ]
            return Array(metadata.encoded())
        case root + "/discovery/v2.0/keys":
            let keys = state.withLock { $0.keys }
            return Array(JSONValue.object(["keys": .array(keys)]).encoded())
        default:
            throw Down()
        }
    }

    /// What a gateway is told of it.
    func settings(tenantIDs: [String] = [tenantID]) -> TokenAuthority {
        TokenAuthority(
            url: Self.url,
            tenantIDs: tenantIDs,
            audiences: [Self.audience, "api://\(Self.audience)"],
            documents: self
        )
    }
}

/// A token to be: change what is wrong with it, then sign it.
struct TokenDraft {
    static let userID = "11111111-2222-3333-4444-555555555555"
    static let applicationID = "66666666-7777-8888-9999-aaaaaaaaaaaa"
    static let servicePrincipalID = "bbbbbbbb-cccc-dddd-eeee-ffffffffffff"
    /// When `ManualTime` starts, in seconds.
    static let now: Int64 = 1_780_000_000

    var header: JSONValue
    var claims: JSONValue

    /// What Entra issues to a client on behalf of a user.
    static func user(_ scopes: String = "Exports.Read Exports.Download") -> TokenDraft {
        TokenDraft(
            header: ["typ": "JWT", "alg": "RS256", "kid": "key-0"],
            claims: [
                "aud": .string(TestAuthority.audience),
                "iss": .string("\(TestAuthority.url)/\(TestAuthority.tenantID)/v2.0"),
                "iat": .integer(now), "nbf": .integer(now), "exp": .integer(now + 3600),
                "tid": .string(TestAuthority.tenantID), "oid": .string(userID), "sub": "pairwise",
                "azp": .string(applicationID), "scp": .string(scopes), "ver": "2.0", "name": "A. User",
                "preferred_username": "a@contoso.example",
            ]
        )
    }

    /// What Entra issues to an application for itself.
    static func application(_ roles: [String] = ["Exports.Read", "Exports.Download"]) -> TokenDraft {
        var draft = user()
        draft["scp"] = nil
        draft["name"] = nil
        draft["preferred_username"] = nil
        draft["roles"] = .array(roles.map { .string($0) })
        draft["oid"] = .string(servicePrincipalID)
        draft["sub"] = .string(servicePrincipalID)
        return draft
    }

    /// A claim.
    subscript(_ name: String) -> JSONValue? {
        get { claims[name] }
        set { Self.set(name, newValue, in: &claims) }
    }

    /// The same with a claim that is another, or gone.
    func with(_ name: String, _ value: JSONValue?) -> TokenDraft {
        var draft = self
        draft[name] = value
        return draft
    }

    /// The same with a header parameter that is another, or gone.
    func withHeader(_ name: String, _ value: JSONValue?) -> TokenDraft {
        var draft = self
        Self.set(name, value, in: &draft.header)
        return draft
    }

    private static func set(_ name: String, _ value: JSONValue?, in object: inout JSONValue) {
        guard case .object(var members) = object else { return }
        members[name] = value
        object = .object(members)
    }

    /// The token, signed by the authority's key of this index.
    func signed(by index: Int = 0, _ algorithm: SignatureAlgorithm = .rs256) throws -> String {
        try Self.sign(
            String(decoding: header.encoded(), as: UTF8.self),
            String(decoding: claims.encoded(), as: UTF8.self),
            by: index,
            algorithm
        )
    }

    /// A token of these texts, whatever they are.
    static func sign(
        _ header: String,
        _ claims: String,
        by index: Int = 0,
        _ algorithm: SignatureAlgorithm = .rs256
    ) throws -> String {
        let text = Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(Array(claims.utf8))
        let signature = try TestAuthority.signers.get()[index].signature(of: Array(text.utf8), algorithm)
        return text + "." + Base64URL.encode(signature)
    }
}
