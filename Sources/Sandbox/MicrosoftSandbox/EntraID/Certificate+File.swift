public import SystemCrypto

extension Certificate {
    /// The first certificate in a file's bytes, whether they are text (RFC 7468) or the certificate itself; nil where there
    /// is none.
    public init?(pemOrDER bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        var der = bytes
        if let start = text.firstRange(of: "-----BEGIN CERTIFICATE-----") {
            guard let end = text[start.upperBound...].firstRange(of: "-----END CERTIFICATE-----"),
                let decoded = Base64Text.decode(text[start.upperBound..<end.lowerBound].filter { !$0.isWhitespace })
            else { return nil }
            der = decoded
        }
        do throws(CryptoError) {
            try self.init(der: der)
        } catch {
            return nil
        }
    }
}
