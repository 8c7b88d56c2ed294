import Exports
import JSON
import SystemCrypto

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A JSON Web Token in compact form (RFC 7515, 3.1; RFC 7519), parsed and not verified yet.
struct CompactToken {
    var header: JSONValue
    var claims: JSONValue
    /// What the signature is over: the first two parts as they came.
    var signingInput: [UInt8]
    var signature: [UInt8]

    /// Nil for anything but three parts of base 64, the first two of them JSON objects. Padding is let pass, as Entra
    /// does (`Upstream-EntraID, Client assertion`).
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let decoded = parts.map { Base64URL.decode($0, paddingAllowed: true) }
        guard parts.count == 3, let head = decoded[0], let body = decoded[1], let signature = decoded[2],
            let header = try? JSONValue(parsing: head), header.object != nil,
            let claims = try? JSONValue(parsing: body), claims.object != nil
        else { return nil }
        self.header = header
        self.claims = claims
        self.signature = signature
        signingInput = Array("\(parts[0]).\(parts[1])".utf8)
    }

    /// `aud`, which may be one text or several.
    var audiences: [String] {
        guard let value = claims["aud"] else { return [] }
        return value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? []
    }

    /// When a claim says, in milliseconds; fractions of a second are allowed (RFC 7519, 2).
    func time(_ claim: String) -> Timestamp? {
        switch claims[claim] {
        case .integer(let seconds) where abs(seconds) < 1 << 40: Timestamp(milliseconds: seconds * 1000)
        case .number(let seconds) where abs(seconds) < 0x1p40: Timestamp(milliseconds: Int64(seconds * 1000))
        default: nil
        }
    }

    /// The text form of a header and claims, signed by `sign`.
    static func text(
        header: JSONValue,
        claims: JSONValue,
        sign: ([UInt8]) throws(CryptoError) -> [UInt8]
    ) throws(CryptoError) -> String {
        let input = Base64URL.encode(header.encoded()) + "." + Base64URL.encode(claims.encoded())
        return input + "." + Base64URL.encode(try sign(Array(input.utf8)))
    }
}
