import Exports
import JSON
import SystemCrypto

/// A key that the authority signs with.
struct SigningKey: Sendable {
    let key: PublicKey
    /// The only algorithm it may be used with; nil for any of ours. Entra's keys name none.
    let algorithm: SignatureAlgorithm?
    /// Whose tokens it signs; `{tenantid}` stands for any tenant.
    let issuer: String?
}

/// The keys of an authority (RFC 7517), as far as they are of use here.
enum JSONWebKeySet {
    /// More keys than this are not looked at. Entra has fewer than ten.
    private static let maxKeys = 100

    /// The keys by their `kid`; of two with one `kid`, the first. Nil for what is no key set.
    ///
    /// Read key by key: one of another kind, for encryption, without `kid`, of a forbidden algorithm or with numbers that are no
    /// RSA key is left out and spoils none of the others.
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
