import JSON
import SystemCrypto

/// A token to be: change what is wrong with it, then sign it.
public struct TokenDraft: Sendable {
    public static let userID = "11111111-2222-3333-4444-555555555555"
    public static let applicationID = "66666666-7777-8888-9999-aaaaaaaaaaaa"
    public static let servicePrincipalID = "bbbbbbbb-cccc-dddd-eeee-ffffffffffff"
    /// When `ManualTime` starts, in seconds.
    public static let now: Int64 = 1_780_000_000

    public var header: JSONValue
    public var claims: JSONValue

    /// What Entra issues to a client on behalf of a user.
    public static func user(_ scopes: String = "Exports.Read Exports.Download") -> TokenDraft {
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
    public static func application(_ roles: [String] = ["Exports.Read", "Exports.Download"]) -> TokenDraft {
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
    public subscript(_ name: String) -> JSONValue? {
        get { claims[name] }
        set { Self.set(name, newValue, in: &claims) }
    }

    /// The same with a claim that is another, or gone.
    public func with(_ name: String, _ value: JSONValue?) -> TokenDraft {
        var draft = self
        draft[name] = value
        return draft
    }

    /// The same with a header parameter that is another, or gone.
    public func withHeader(_ name: String, _ value: JSONValue?) -> TokenDraft {
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
    public func signed(by index: Int = 0, _ algorithm: SignatureAlgorithm = .rs256) throws -> String {
        try Self.sign(
            String(decoding: header.encoded(), as: UTF8.self),
            String(decoding: claims.encoded(), as: UTF8.self),
            by: index,
            algorithm
        )
    }

    /// A token of these texts, whatever they are.
    public static func sign(
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
