import Exports
import JSON
import SystemCrypto

/// A JWT in its compact form (RFC 7519, RFC 7515), parsed. Nothing in it is trusted before its signature was verified.
///
/// The parser is strict: three parts, canonical base 64, JSON without duplicate members. The algorithm must be one of a fixed
/// list, which is checked first. It is never chosen by a key or a former token.
struct JSONWebToken: Sendable {
    /// The longest token that is parsed. Entra's are 1 to 3 KiB.
    static let maxBytes = 16_384

    let algorithm: SignatureAlgorithm
    /// The id of the signing key, as the token names it.
    let keyID: String
    let claims: JSONValue
    /// The bytes that are signed.
    let signedBytes: [UInt8]
    let signature: [UInt8]

    /// Whether a credential has the form of a token. No API key that the gateway makes has it.
    static func isLikely(_ text: some StringProtocol) -> Bool {
        text.utf8.count(where: { $0 == UInt8(ascii: ".") }) == 2
    }

    /// Reads a token. Throws `tooLarge`, `malformed` or `algorithm`.
    init(_ text: some StringProtocol) throws(TokenRefusal) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.maxBytes else { throw TokenRefusal(.tooLarge) }
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw TokenRefusal(.malformed) }
        let header = try Self.object(parts[0])
        guard let algorithm = header["alg"]?.string.flatMap(SignatureAlgorithm.init(rawValue:)) else {
            throw TokenRefusal(.algorithm)
        }
        // RFC 7515, 4.1.11: a token with a critical extension that is not understood is invalid, and none is understood here.
        guard header["crit"] == nil, Self.isType(header["typ"]),
            let keyID = header["kid"]?.string, (1...256).contains(keyID.utf8.count)
        else { throw TokenRefusal(.malformed) }
        self.algorithm = algorithm
        self.keyID = keyID
        claims = try Self.object(parts[1])
        signature = try Self.decoded(parts[2])
        signedBytes = Array(bytes[..<parts[1].endIndex])
    }

    private static func isType(_ type: JSONValue?) -> Bool {
        guard let type else { return true }
        return ["jwt", "at+jwt"].contains(type.string?.lowercased())
    }

    private static func object(_ part: ArraySlice<UInt8>) throws(TokenRefusal) -> JSONValue {
        let bytes = try decoded(part)
        guard let value = try? JSONParser.parse(bytes, .strict(maxDepth: 8)), case .object = value else {
            throw TokenRefusal(.malformed)
        }
        return value
    }

    private static func decoded(_ part: ArraySlice<UInt8>) throws(TokenRefusal) -> [UInt8] {
        // RFC 7515, 2: without padding.
        guard !part.isEmpty, part.last != UInt8(ascii: "="),
            let bytes = Base64URL.decode(String(decoding: part, as: UTF8.self))
        else { throw TokenRefusal(.malformed) }
        return bytes
    }
}
