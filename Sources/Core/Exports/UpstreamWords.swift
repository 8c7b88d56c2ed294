/// Sanitizes texts of an upstream, so that they may be logged, stored and shown: one line, without anything that could be a
/// secret.
///
/// Upstreams repeat in their messages what they were sent, such as addresses with a SAS, or parts of an assertion.
enum UpstreamWords {
    /// Control characters become spaces; queries of addresses, signatures, tokens and the values of parameters that hold a
    /// secret are redacted; no more than `limit` characters.
    static func clean(_ text: String, limit: Int) -> String {
        // Only the beginning is searched: no message is longer than that.
        var bearer = false
        let words = String(text.prefix(8 * limit)).split(omittingEmptySubsequences: true) { $0 == " " || isControl($0) }
            .map { word -> String in
                defer { bearer = word.lowercased().hasSuffix("bearer") }
                return bearer ? redacted : clean(word)
            }
        return String(words.joined(separator: " ").prefix(limit))
    }

    private static let redacted = "<redacted>"
    private static let parameters = [
        "sig=", "sig%3d", "client_secret=", "client_assertion=", "assertion=", "access_token=", "refresh_token=",
        "id_token=", "password=", "accountkey=", "sharedaccesssignature",
    ]

    private static func clean(_ word: Substring) -> String {
        let lowered = word.lowercased()
        if lowered.contains("://"), let query = word.firstIndex(where: { $0 == "?" || $0 == "#" }) {
            return word[..<query] + "?" + redacted
        }
        if parameters.contains(where: lowered.contains) || looksLikeToken(word) { return redacted }
        return String(word)
    }

    /// A JSON text in base64url, as every JWT begins: `{"` is `eyJ`.
    private static func looksLikeToken(_ word: Substring) -> Bool {
        guard let start = word.firstRange(of: "eyJ") else { return false }
        return word[start.lowerBound...].utf8.prefix { isBase64($0) }.count >= 16
    }

    private static func isBase64(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "+"),
            UInt8(ascii: "/"):
            true
        default: false
        }
    }

    /// Line ends, escapes, and what turns the direction of writing.
    private static func isControl(_ character: Character) -> Bool {
        character.unicodeScalars.contains {
            $0.properties.generalCategory == .control || $0.properties.isBidiControl
                || $0.properties.generalCategory == .lineSeparator
                || $0.properties.generalCategory == .paragraphSeparator
        }
    }
}
