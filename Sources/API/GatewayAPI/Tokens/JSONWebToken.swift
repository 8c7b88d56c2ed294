import Exports
import JSON
import SystemCrypto

/// A JWT in its compact form (RFC 7519, RFC 7515), taken apart; nothing in it is true before its signature was checked.
///
/// Strict: three parts, base 64 in its one form, JSON without a member that stands twice. The algorithm is one of a fixed list
/// before anything else is looked at, and is never chosen by what a key or a former token said.
struct JSONWebToken: Sendable {
    /// The longest token that is looked at. Entra's are 1 to 3 KiB.
    static let maxBytes = 16_384

    let algorithm: SignatureAlgorithm
    /// Which of the authority's keys it is signed with, as it says.
    let keyID: String
    let claims: JSONValue
    /// What the signature is of.
    let signedBytes: [UInt8]
    let signature: [UInt8]

    /// Whether a credential has a token's form, as no API key that we make has.
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
        // RFC 7515, 4.1.11: what is critical and not understood makes the token invalid. We understand nothing of the kind.
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
