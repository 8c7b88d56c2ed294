import Exports
import Foundation

/// An answer with a head.
protocol UpstreamAnswer: Sendable {
    var status: Int { get }
    var headers: UpstreamHeaders { get }
}

extension UpstreamResponse: UpstreamAnswer {}
extension UpstreamDownload: UpstreamAnswer {}

extension ClaimsChallenge {
    /// Reads the challenge by which Microsoft's APIs refuse a token whose user has to prove more
    /// (`Upstream-EntraID, On behalf of`): `WWW-Authenticate: Bearer …, error="insufficient_claims", claims="<base 64>"`. Nil
    /// for any other.
    init?(_ headers: UpstreamHeaders) {
        guard let field = headers.all("www-authenticate"), field.utf8.count <= 16_384,
            Self.parameter("error", of: field) == "insufficient_claims",
            let encoded = Self.parameter("claims", of: field),
            let claims = Data(base64Encoded: Self.padded(encoded)), claims.count <= 4096
        else { return nil }
        self.init(
            claims: String(decoding: claims, as: UTF8.self),
            authorizationURI: Self.parameter("authorization_uri", of: field) ?? ""
        )
    }

    private static func parameter(_ name: String, of field: String) -> String? {
        for part in field.split(whereSeparator: { $0 == "," || $0 == " " }) where part.hasPrefix(name + "=\"") {
            let value = part.dropFirst(name.count + 2)
            return value.hasSuffix("\"") ? String(value.dropLast()) : nil
        }
        return nil
    }

    /// In either alphabet, with or without padding.
    private static func padded(_ text: String) -> String {
        let plain = text.replacing("-", with: "+").replacing("_", with: "/").replacing("=", with: "")
        return plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4)
    }
}
