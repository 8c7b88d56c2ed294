import Exports
import Foundation
import JSON
import SystemCrypto

/// The JWT by which an application signs in with its certificate (`Upstream-EntraID, Client assertion`).
struct ClientAssertion {
    /// How long it is valid: as long as MSAL's are (`Upstream-EntraID, Client assertion`).
    static let life = Duration.seconds(600)

    var algorithm: SignatureAlgorithm
    /// Whether the certificates are included (`x5c`), for applications that trust a subject name and issuer.
    var sendsChain: Bool
    /// The token endpoint's address.
    var audience: String
    var clientID: String
    var now: Timestamp
    /// 16 random bytes: an assertion is accepted once.
    var id: [UInt8]

    /// The signed assertion, without padding anywhere. `certificates` has the key's own first.
    func signed(by key: PrivateKey, _ certificates: [Certificate]) throws(CryptoError) -> Secret {
        var header: [String: JSONValue] = ["alg": .string(algorithm.rawValue), "typ": "JWT"]
        if let leaf = certificates.first {
            switch algorithm {
            case .ps256: header["x5t#S256"] = .string(Base64URL.encode(leaf.sha256))
            case .rs256: header["x5t"] = .string(Base64URL.encode(leaf.sha1))
            }
        }
        if sendsChain {
            // RFC 7515, 4.1.6: Base64, not Base64url.
            header["x5c"] = .array(certificates.map { .string(Data($0.der).base64EncodedString()) })
        }
        let seconds = now.milliseconds / 1000
        let claims: JSONValue = [
            "aud": .string(audience), "iss": .string(clientID), "sub": .string(clientID), "jti": .string(uuid),
            "iat": .integer(seconds), "nbf": .integer(seconds),
            "exp": .integer(seconds + Self.life.milliseconds / 1000),
        ]
        let text =
            Base64URL.encode(JSONValue.object(header).encoded()) + "." + Base64URL.encode(claims.encoded())
        return Secret(text + "." + Base64URL.encode(try key.signature(of: Array(text.utf8), algorithm)))
    }

    /// The id as a random UUID (RFC 9562, 5.4).
    private var uuid: String {
        var bytes = id
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let digits = Array(Hexadecimal.encode(bytes))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
    }
}
