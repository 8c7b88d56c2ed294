import COpenSSL

/// HMAC with SHA-256 (RFC 2104, RFC 4231).
public enum HMACSHA256 {
    /// The authentication code of `message` under `key`: 32 bytes. Any key length works; 32 random bytes are right.
    ///
    /// Compare codes with ``constantTimeEquals(_:_:)`` only.
    public static func authenticationCode(for message: [UInt8], key: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: SHA256.byteCount)
        let made = HMAC(SHA256.algorithm.digest, key, Int32(key.count), message, message.count, &code, nil)
        precondition(made != nil, "libcrypto: HMAC-SHA-256 is not available; SystemCrypto.check() tells why")
        return code
    }
}

/// Whether two byte strings are equal, in a time that depends on their length only.
///
/// Strings of different lengths are unequal; that they are may show in the time.
public func constantTimeEquals(_ lhs: [UInt8], _ rhs: [UInt8]) -> Bool {
    lhs.count == rhs.count && CRYPTO_memcmp(lhs, rhs, lhs.count) == 0
}
