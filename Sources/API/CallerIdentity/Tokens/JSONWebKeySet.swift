import Exports
import JSON
import SystemCrypto

/// A signing key of the authority.
struct SigningKey: Sendable {
    let key: PublicKey
    /// The only algorithm that it may be used with; nil for any supported one. Entra's keys name none.
    let algorithm: SignatureAlgorithm?
    /// The issuer whose tokens it signs; `{tenantid}` stands for any tenant.
    let issuer: String?
}

/// The usable keys of an authority (RFC 7517).
enum JSONWebKeySet {
    /// The most keys that are read. Entra has fewer than ten.
    private static let maxKeys = 100

    /// The keys by their `kid`. Of two keys with the same `kid`, the first one counts. Nil for a document that is no key set.
    ///
    /// Unusable keys are skipped, and the others stay usable: keys of another type, for encryption, without `kid`, for a
    /// forbidden algorithm, or whose numbers are no RSA key.
    static func signingKeys(_ bytes: [UInt8]) -> [String: SigningKey]? {
        guard let elements = try? JSONParser.parse(bytes)["keys"]?.array else { return nil }
        let pairs = elements.prefix(maxKeys)
            .compactMap { element in
                signingKey(element).flatMap { key in element["kid"]?.string.map { ($0, key) } }
            }
        return Dictionary(pairs) { first, _ in first }
    }

    private static func signingKey(_ element: JSONValue) -> SigningKey? {
        guard element["kty"]?.string == "RSA", element["use"].map({ $0.string == "sig" }) ?? true,
            element["key_ops"].map({ $0.array?.contains("verify") == true }) ?? true,
            let modulus = element["n"]?.string.flatMap({ Base64URL.decode($0) }),
            let exponent = element["e"]?.string.flatMap({ Base64URL.decode($0) }),
            let key = try? PublicKey(modulus: modulus, exponent: exponent)
        else { return nil }
        var algorithm: SignatureAlgorithm?
        if let name = element["alg"] {
            algorithm = name.string.flatMap(SignatureAlgorithm.init(rawValue:))
            guard algorithm != nil else { return nil }
        }
        return SigningKey(key: key, algorithm: algorithm, issuer: element["issuer"]?.string)
    }
}
