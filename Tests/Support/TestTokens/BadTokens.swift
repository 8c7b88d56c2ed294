import JSON
import SystemCrypto

/// Tokens that must let nobody in, each wrong in one way.
public enum BadTokens {
    public static func all() throws -> [(name: String, token: String)] {
        try algorithms() + keys() + signatures() + times() + audiences() + issuers() + identities() + shapes()
    }

    /// Those with the name of a key that nobody has published: what they get depends on whether it may be looked for.
    public static let namesOfUnknownKeys: Set = ["a key that is not published", "a kid that is a path"]

    /// A token that was just made cannot be read.
    private struct Unreadable: Error {}

    private static let user = TokenDraft.user()
    private static let application = TokenDraft.application()

    private static func algorithms() throws -> [(name: String, token: String)] {
        let good = try user.signed()
        let parts = good.split(separator: ".").map(String.init)
        func header(_ alg: JSONValue?) -> String {
            Base64URL.encode(Array(user.withHeader("alg", alg).header.encoded()))
        }
        var tokens: [(name: String, token: String)] = [
            ("alg none, no signature", header("none") + "." + parts[1] + "."),
            ("alg none, a signature", header("none") + "." + parts[1] + "." + parts[2]),
            ("alg None", header("None") + "." + parts[1] + "." + parts[2]),
            ("header PS256, signature RS256", try user.withHeader("alg", "PS256").signed()),
            ("header RS256, signature PS256", try user.signed(by: 0, .ps256)),
        ]
        for alg: JSONValue? in [nil, .null, "", "rs256", "RS384", "RS512", "ES256", "EdDSA", 256, ["RS256"]] {
            tokens.append(("alg \(alg.map { "\($0)" } ?? "absent")", try user.withHeader("alg", alg).signed()))
        }
        // The public key as the secret of a symmetric algorithm, in the forms in which it is published.
        let key = try TestAuthority.signers.get()[0].publicKey
        for (name, secret) in [
            ("modulus", key.modulus), ("n", Array(Base64URL.encode(key.modulus).utf8)), ("kid", Array("key-0".utf8)),
            ("nothing", []),
        ] {
            for alg: JSONValue in ["HS256", "RS256"] {
                let text = header(alg) + "." + parts[1]
                let code = HMACSHA256.authenticationCode(for: Array(text.utf8), key: secret)
                tokens.append(("\(alg) with the \(name) as secret", text + "." + Base64URL.encode(code)))
            }
        }
        return tokens
    }

    private static func keys() throws -> [(name: String, token: String)] {
        let foreign = try TestAuthority.key(2)
        return [
            ("another key under a published name", try user.signed(by: 2)),
            ("a key that is not published", try user.withHeader("kid", "key-2").signed(by: 2)),
            ("no kid", try user.withHeader("kid", nil).signed()),
            ("an empty kid", try user.withHeader("kid", "").signed()),
            ("a kid that is a number", try user.withHeader("kid", 0).signed()),
            ("a long kid", try user.withHeader("kid", .string(String(repeating: "k", count: 257))).signed()),
            ("a kid that is a path", try user.withHeader("kid", "../../dev/null").signed()),
            ("its own key", try user.withHeader("jwk", foreign).signed(by: 2)),
            ("its own key set", try user.withHeader("jku", "https://evil.example/keys").signed(by: 2)),
            ("its own certificate", try user.withHeader("x5c", ["MIIC"]).signed(by: 2)),
            ("something critical", try user.withHeader("crit", ["b64"]).withHeader("b64", true).signed()),
            ("another type", try user.withHeader("typ", "dpop+jwt").signed()),
            ("a type that is a number", try user.withHeader("typ", 1).signed()),
        ]
    }

    private static func signatures() throws -> [(name: String, token: String)] {
        let good = try user.signed()
        let parts = good.split(separator: ".").map(String.init)
        guard let signature = Base64URL.decode(parts[2]) else { throw Unreadable() }
        let start = parts[0] + "." + parts[1] + "."
        let richer = Base64URL.encode(Array(user.with("scp", "Exports.ReadAll").claims.encoded()))
        var flipped = signature
        flipped[100] ^= 1
        return [
            ("no signature", start),
            ("a short signature", start + Base64URL.encode(signature.dropLast())),
            ("a long signature", start + Base64URL.encode(signature + [0])),
            ("zeros", start + Base64URL.encode([UInt8](repeating: 0, count: signature.count))),
            ("a flipped bit", start + Base64URL.encode(flipped)),
            ("another's claims", parts[0] + "." + richer + "." + parts[2]),
            ("padding", good + "=="),
        ]
    }

    private static func times() throws -> [(name: String, token: String)] {
        let now = TokenDraft.now
        var tokens: [(name: String, token: String)] = [
            ("expired", try user.with("nbf", .integer(now - 7200)).with("exp", .integer(now - 3600)).signed()),
            ("expired by the skew", try user.with("nbf", .integer(now - 90)).with("exp", .integer(now - 60)).signed()),
            ("not yet valid", try user.with("nbf", .integer(now + 61)).signed()),
            (
                "ends before it begins",
                try user.with("nbf", .integer(now + 30)).with("exp", .integer(now + 20)).signed()
            ),
            ("ends in a million years", try user.with("exp", .integer(1 << 45)).signed()),
            ("begins before time", try user.with("nbf", .integer(-1 << 45)).signed()),
        ]
        for claim in ["exp", "nbf"] {
            for value: JSONValue? in [nil, .null, .string("\(now + 10)"), .number(Double(now) + 0.5), true] {
                tokens.append(("\(claim) \(value.map { "\($0)" } ?? "absent")", try user.with(claim, value).signed()))
            }
        }
        return tokens
    }

    private static func audiences() throws -> [(name: String, token: String)] {
        let ours = TestAuthority.audience
        let audiences: [JSONValue?] = [
            nil, .null, "", [], [[]], "https://graph.microsoft.com", ["https://graph.microsoft.com", "00000003"],
            .string(ours + " "), .string(ours + "/"), .string(ours.uppercased()), .string(String(ours.dropLast())),
            .string("api://" + ours + "/Exports.Read"), [.string(ours), 1], 1, .object(["a": .string(ours)]),
        ]
        return try audiences.map { ("aud \($0.map { "\($0)" } ?? "absent")", try user.with("aud", $0).signed()) }
    }

    private static func issuers() throws -> [(name: String, token: String)] {
        let (ours, other) = (TestAuthority.tenantID, TestAuthority.otherTenantID)
        let host = TestAuthority.url
        var tokens: [(name: String, token: String)] = [
            (
                "another tenant",
                try user.with("tid", .string(other)).with("iss", .string("\(host)/\(other)/v2.0")).signed()
            ),
            ("another tenant's tid", try user.with("tid", .string(other)).signed()),
            ("another tenant's iss", try user.with("iss", .string("\(host)/\(other)/v2.0")).signed()),
            ("a shouted tid", try user.with("tid", .string(ours.uppercased())).signed()),
            ("a v1 issuer that says v2", try user.with("iss", .string("https://sts.windows.net/\(ours)/")).signed()),
            ("a v2 issuer that says v1", try user.with("ver", "1.0").signed()),
            ("version 3", try user.with("ver", "3.0").signed()),
        ]
        let issuers: [JSONValue?] = [
            nil, .null, "", .string("\(host)/\(ours)/v2.0/"), .string("\(host)/{tenantid}/v2.0"), .string(host),
            .string("http://login.example/\(ours)/v2.0"), .string("https://sts.windows.net/\(ours)"),
            .string("https://login.example.evil/\(ours)/v2.0"), [.string("\(host)/\(ours)/v2.0")],
        ]
        for issuer in issuers {
            tokens.append(
                ("iss \(issuer.map { "\($0)" } ?? "absent")", try user.with("iss", issuer).with("ver", nil).signed())
            )
        }
        for tenant: JSONValue? in [nil, .null, "", "common", ["x"]] {
            tokens.append(("tid \(tenant.map { "\($0)" } ?? "absent")", try user.with("tid", tenant).signed()))
        }
        return tokens
    }

    private static func identities() throws -> [(name: String, token: String)] {
        [
            ("neither scopes nor roles", try user.with("scp", nil).signed()),
            ("an application without roles", try application.with("roles", nil).signed()),
            ("an empty list of roles", try application.with("roles", []).signed()),
            ("roles that are a text", try application.with("roles", "Exports.ReadAll").signed()),
            ("a role that is a number", try application.with("roles", ["Exports.Read", 1]).signed()),
            ("empty scopes", try user.with("scp", "").signed()),
            ("blank scopes", try user.with("scp", "  ").signed()),
            ("scopes that are a list", try user.with("scp", ["Exports.Read"]).signed()),
            ("empty scopes and roles", try application.with("scp", "").signed()),
            ("an ID token of a user with roles", try application.with("sub", "pairwise").with("azp", nil).signed()),
            ("a user's token with roles only", try application.with("sub", "pairwise").signed()),
            ("a user's roles", try application.with("idtyp", "user").signed()),
            ("a device's roles", try application.with("idtyp", "device").signed()),
            ("an application's scopes", try user.with("idtyp", "app").signed()),
            ("a user without oid", try user.with("oid", nil).signed()),
            ("a user whose oid is a name", try user.with("oid", "a@contoso.example").signed()),
            ("an application without azp", try application.with("azp", nil).signed()),
            ("an application whose azp is a name", try application.with("azp", "reports").signed()),
            ("an application without oid", try application.with("oid", nil).with("sub", nil).signed()),
        ]
    }

    private static func shapes() throws -> [(name: String, token: String)] {
        let good = try user.signed()
        let parts = good.split(separator: ".").map(String.init)
        let header = String(decoding: user.header.encoded(), as: UTF8.self)
        let claims = String(decoding: user.claims.encoded(), as: UTF8.self)
        let deep = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
        return [
            ("one part", parts[0]), ("two parts", parts[0] + "." + parts[1]), ("four parts", good + "." + parts[2]),
            ("five parts", good + "." + parts[1] + "." + parts[2]), ("dots", ".."), ("a dot before", "." + good),
            ("nothing but a signature", ".." + parts[2]), ("no claims", parts[0] + ".." + parts[2]),
            ("the alphabet of others", good.replacing("-", with: "+").replacing("_", with: "/") + "+"),
            ("no base 64", "!!!." + parts[1] + "." + parts[2]),
            ("a header that is no JSON", try TokenDraft.sign("alg=RS256", claims)),
            ("a header that is a list", try TokenDraft.sign("[\(header)]", claims)),
            ("claims that are no JSON", try TokenDraft.sign(header, "exp=1")),
            ("claims that are a text", try TokenDraft.sign(header, "\"claims\"")),
            ("claims that are not UTF-8", try TokenDraft.sign(header, claims.replacing("pairwise", with: "\\ud800"))),
            ("alg twice", try TokenDraft.sign(header.replacing("{", with: "{\"alg\":\"none\","), claims)),
            ("exp twice", try TokenDraft.sign(header, claims.replacing("{", with: "{\"exp\":9999999999,"))),
            ("aud twice", try TokenDraft.sign(header, claims.replacing("{", with: "{\"aud\":\"x\","))),
            ("text behind the claims", try TokenDraft.sign(header, claims + "{}")),
            ("a deep header", try TokenDraft.sign(deep, claims)),
            ("deep claims", try TokenDraft.sign(header, claims.replacing("\"pairwise\"", with: deep))),
            ("too large", try user.with("pad", .string(String(repeating: "a", count: 12_000))).signed()),
        ]
    }
}
