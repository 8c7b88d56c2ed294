import Exports

/// The value of `WWW-Authenticate` (RFC 6750, 3; RFC 9110, 11.6.1).
enum ChallengeField {
    /// `Bearer realm="export-gateway"` and what the challenge says.
    static func text(of challenge: BearerChallenge) -> String {
        let parameters: [(name: String, value: String?)] = [
            ("realm", "export-gateway"),
            ("authorization_uri", challenge.authorizationURI),
            ("error", challenge.reason?.rawValue),
            ("scope", challenge.scope),
            ("claims", challenge.claims),
        ]
        return "Bearer "
            + parameters.compactMap { name, value in value.map { "\(name)=\"\(quotable($0))\"" } }
            .joined(separator: ", ")
    }

    /// The characters that may stand between quotes without an escape: an authority's text is not trusted.
    private static func quotable(_ text: String) -> String {
        String(decoding: text.utf8.filter { (0x20...0x7E).contains($0) && !"\"\\".utf8.contains($0) }, as: UTF8.self)
    }
}
