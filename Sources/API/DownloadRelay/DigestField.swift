import SystemCrypto

/// The SHA-256 of the file itself as a header or trailer field.
enum DigestField {
    /// Of the file without the coding that it was sent in (draft-ietf-httpbis-unencoded-digest).
    static let unencoded = "Unencoded-Digest"
    /// Of the whole representation of which a part was sent (RFC 9530, 3).
    static let representation = "Repr-Digest"

    /// A dictionary of structured fields (RFC 9530, 2).
    static func value(_ digest: [UInt8]) -> String { "sha-256=:\(base64(digest)):" }

    /// For the digest in an export's record; nil for a text that is none.
    static func value(hexadecimal: String) -> String? {
        guard let digest = Hexadecimal.decode(hexadecimal), digest.count == SHA256.byteCount else { return nil }
        return value(digest)
    }

    /// RFC 4648, 4: with padding, as structured fields require it.
    private static func base64(_ bytes: [UInt8]) -> String {
        let text = Base64URL.encode(bytes).map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
        return String(text) + String(repeating: "=", count: (4 - text.count % 4) % 4)
    }
}
