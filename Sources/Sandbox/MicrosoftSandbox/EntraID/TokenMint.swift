import Exports
import JSON
import SystemCrypto

/// An access token for the application itself, as a caller of it would bring one: `POST /_sandbox/tokens`.
///
/// By default it is what Entra would issue (`Upstream-EntraID, Access tokens`); every claim and header field can be set to
/// something else or, with `null`, left out, and the signature can be wrong in the ways that a verifier must not fall for.
struct TokenMint {
    /// Who signs, and how honestly.
    enum Signature: String, CaseIterable {
        /// The tenant's current key.
        case valid
        /// A key that no document tells of, under its own id.
        case unknownKey
        /// A key that no document tells of, under the current key's id.
        case otherKey
        /// The tenant's current key, with one bit turned over.
        case broken
        /// HMAC with the public key's modulus as its secret, as HS256.
        case hmac
        /// None at all, with `alg` none.
        case none
    }

    var version = 2
    var isUser = true
    var algorithm = SignatureAlgorithm.rs256
    var signature = Signature.valid
    /// Seconds from now to `exp`; negative for a token that has expired.
    var lifetime: Int64 = 3600
    /// Seconds from now to `nbf` and `iat`.
    var start: Int64 = 0
    var claims: [(name: String, value: JSONValue)] = []
    var header: [(name: String, value: JSONValue)] = []

    /// Reads the request; what is wrong with it is told by name.
    static func parse(_ body: JSONValue) -> Result<TokenMint, RuleFaults> {
        var reader = ObjectReader(body)
        var mint = TokenMint()
        if let version = reader.value("version") {
            if let number = version.integer, (1...2).contains(number) {
                mint.version = Int(number)
            } else {
                reader.fault("version", "must be 1 or 2")
            }
        }
        mint.isUser = reader.choice("kind", among: ["user", "application"]) != "application"
        let algorithms = SignatureAlgorithm.allCases.map(\.rawValue)
        mint.algorithm = reader.choice("alg", among: algorithms).flatMap(SignatureAlgorithm.init) ?? .rs256
        let signatures = Signature.allCases.map(\.rawValue)
        mint.signature = reader.choice("signature", among: signatures).flatMap(Signature.init) ?? .valid
        mint.lifetime = reader.seconds("lifetime") ?? 3600
        mint.start = reader.seconds("start") ?? 0
        mint.claims = reader.members("claims")
        mint.header = reader.members("header")
        reader.finish()
        return reader.faults.isEmpty ? .success(mint) : .failure(RuleFaults(faults: reader.faults))
    }

    /// The token, and what is in it. `authority` is the login host that v2 tokens name as their issuer.
    func token(world: World, authority: String) throws(CryptoError) -> JSONValue {
        let current = try world.signingKeys.current()
        let isForeignKey = signature == .unknownKey || signature == .otherKey
        let signer = try isForeignKey ? SigningKeys.makeKey() : current
        let header = headerFields(id: signature == .unknownKey ? signer.id : current.id)
        let claims = claimSet(at: world.time.now(), id: world.uuid(), authority: authority)
        let text = try CompactToken.text(header: header, claims: claims) { input throws(CryptoError) -> [UInt8] in
            switch signature {
            case .valid, .unknownKey, .otherKey: return try signer.key.signature(of: input, algorithm)
            case .broken:
                var bytes = try signer.key.signature(of: input, algorithm)
                bytes[bytes.count / 2] ^= 1
                return bytes
            case .hmac: return HMACSHA256.authenticationCode(for: input, key: signer.key.publicKey.modulus)
            case .none: return []
            }
        }
        world.tokens.note(secret: text)
        return ["token": .string(text), "header": header, "claims": claims]
    }

    private func headerFields(id: String) -> JSONValue {
        let name =
            switch signature {
            case .hmac: "HS256"
            case .none: "none"
            default: algorithm.rawValue
            }
        var members: [String: JSONValue] = ["typ": "JWT", "alg": .string(name), "kid": .string(id)]
        if version == 1 { members["x5t"] = .string(id) }
        return .object(members.setting(header))
    }

    private func claimSet(at now: Timestamp, id: String, authority: String) -> JSONValue {
        let seconds = now.milliseconds / 1000
        let tenant = SandboxSeed.tenantID
        let subject = isUser ? SandboxSeed.userID : SandboxSeed.callerObjectID
        var members: [String: JSONValue] = [
            "aud": .string(version == 1 ? "api://\(SandboxSeed.clientID)" : SandboxSeed.clientID),
            "iss": .string(version == 1 ? "https://sts.windows.net/\(tenant)/" : "\(authority)/\(tenant)/v2.0"),
            "iat": .integer(seconds + start), "nbf": .integer(seconds + start), "exp": .integer(seconds + lifetime),
            "oid": .string(subject), "sub": .string(subject), "tid": .string(tenant), "uti": .string(id),
            "ver": .string("\(version).0"), "idtyp": isUser ? "user" : "app",
        ]
        members[version == 1 ? "appid" : "azp"] = .string(SandboxSeed.callerClientID)
        members[version == 1 ? "appidacr" : "azpacr"] = .string(isUser ? "0" : "1")
        if isUser {
            members["scp"] = "user_impersonation"
            members["name"] = "Sandbox User"
            members[version == 1 ? "unique_name" : "preferred_username"] = "user@sandbox.example"
        }
        return .object(members.setting(claims))
    }
}

extension [String: JSONValue] {
    /// With these members in place of its own; `null` leaves one out.
    fileprivate func setting(_ members: [(name: String, value: JSONValue)]) -> Self {
        var result = self
        for (name, value) in members { result[name] = value == .null ? nil : value }
        return result
    }
}

extension ObjectReader {
    /// The members of an object whose names are free.
    fileprivate mutating func members(_ name: String) -> [(name: String, value: JSONValue)] {
        guard var nested = object(name) else { return [] }
        defer { adopt(nested.faults) }
        return nested.takeAllMembers()
    }

    /// A whole number of seconds, at most ten years either way.
    fileprivate mutating func seconds(_ name: String) -> Int64? {
        guard let value = value(name) else { return nil }
        guard let number = value.integer, abs(number) <= 315_360_000 else {
            fault(name, "must be a whole number of seconds, at most ten years")
            return nil
        }
        return number
    }
}
