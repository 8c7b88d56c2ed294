import CallerIdentity
import JSON
import Synchronization
import SystemCrypto

/// An authority in memory: its metadata, its keys, and how often it was asked for them.
public final class TestAuthority: AuthorityDocuments {
    public static let url = "https://login.example"
    public static let tenantID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
    public static let otherTenantID = "94a356ab-53d5-40e7-8a85-053d6d3b9eb3"
    public static let audience = "00001111-aaaa-2222-bbbb-3333cccc4444"

    /// Made once: finding primes takes its time. The last one is nobody's.
    public static let signers = Result { try (0..<3).map { _ in try PrivateKey.generate(bits: 2048) } }

    public struct Down: Error {}

    public struct State {
        /// The elements of the key set.
        public var keys: [JSONValue] = []
        public var isDown = false
        /// The `issuer` of the metadata.
        public var issuer: String?
        /// Documents that were asked for, by the end of their address.
        public var asked: [String] = []
        /// Called before metadata is given.
        public var delay: @Sendable () async throws -> Void = {}
    }

    public let state: Mutex<State>

    /// An authority that publishes its first key, as `key-0`.
    public init() throws {
        let keys = [try Self.key(0)]
        state = Mutex(State(keys: keys))
    }

    /// The published form of a key, named `key-<index>`.
    public static func key(_ index: Int, _ change: (inout [String: JSONValue]) -> Void = { _ in }) throws -> JSONValue {
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
    public var keyFetches: Int { state.withLock { $0.asked.count { $0 == "keys" } } }
    /// How often it was asked for anything at all.
    public var calls: Int { state.withLock { $0.asked.count } }

    public func document(at address: String) async throws -> [UInt8] {
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
    public func settings(tenantIDs: [String] = [tenantID]) -> TokenAuthority {
        TokenAuthority(
            url: Self.url,
            tenantIDs: tenantIDs,
            audiences: [Self.audience, "api://\(Self.audience)"],
            documents: self
        )
    }
}
