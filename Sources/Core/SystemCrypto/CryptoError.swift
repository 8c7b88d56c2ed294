import COpenSSL

/// An operation that libcrypto cannot do, or an input that it refuses.
public struct CryptoError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of failure. The raw value is the metric label: never reused for something else.
    public enum Code: String, Sendable, CaseIterable {
        /// The library does not offer the algorithm: its configuration leaves out the provider that has it.
        case algorithmUnavailable = "algorithm-unavailable"
        /// The library offers the algorithm and computes something else than the standard says.
        case wrongAnswer = "wrong-answer"
        /// The library has no randomness to give.
        case randomnessUnavailable = "randomness-unavailable"
        /// A key of a kind or length that is not used here.
        case unsupportedKey = "unsupported-key"
        /// Bytes that are not what they should be.
        case malformed
        /// The key did not sign.
        case signingFailed = "signing-failed"
        /// Sealed with a key that is not there.
        case unknownKey = "unknown-key"
        /// Not what was sealed, or not for this.
        case notAuthentic = "not-authentic"
    }

    public var code: Code
    /// What was asked for, such as `SHA-256`.
    public var subject: String
    /// The library's own words, empty where it gave none. Holds no key material.
    public var reason: String

    /// Makes an error.
    public init(code: Code, subject: String, reason: String) {
        (self.code, self.subject, self.reason) = (code, subject, reason)
    }

    /// A name without values in it, fit for a metric's dimension.
    public var label: String { code.rawValue }

    public var description: String {
        reason.isEmpty ? "\(subject): \(label)" : "\(subject): \(label) (\(reason))"
    }

    /// Makes an error from what libcrypto left in this thread's error queue, and empties the queue.
    static func fromLibrary(_ code: Code, _ subject: String) -> CryptoError {
        let packed = ERR_get_error()
        ERR_clear_error()
        guard packed != 0 else { return CryptoError(code: code, subject: subject, reason: "") }
        var text = [CChar](repeating: 0, count: 256)
        ERR_error_string_n(packed, &text, text.count)
        let reason = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return CryptoError(code: code, subject: subject, reason: reason)
    }
}

/// The state of the system's libcrypto.
public enum SystemCrypto {
    /// Checks, once at the start, that everything in this module works: the algorithms are available and give the standards' own
    /// results, and there is randomness.
    ///
    /// This finds faults outside of the program, such as an OpenSSL configuration without the algorithms. Afterwards, digests,
    /// authentication codes and random bytes can only fail when memory is exhausted, which ends a Swift process anyway. Other
    /// functions throw only because of their input.
    public static func check() throws(CryptoError) {
        guard SHA256.algorithm.digest != nil else { throw .fromLibrary(.algorithmUnavailable, "SHA-256") }
        let abc: [UInt8] = [0x61, 0x62, 0x63]
        // The test vectors of RFC 6234, 8.5, TEST1, and of RFC 4231, 4.3.
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        guard Hexadecimal.encode(SHA256.hash(abc)) == digest else {
            throw CryptoError(code: .wrongAnswer, subject: "SHA-256", reason: "")
        }
        let code = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        let message = Array("what do ya want for nothing?".utf8)
        guard Hexadecimal.encode(HMACSHA256.authenticationCode(for: message, key: Array("Jefe".utf8))) == code else {
            throw CryptoError(code: .wrongAnswer, subject: "HMAC-SHA-256", reason: "")
        }
        guard AESGCM.algorithm.cipher != nil else { throw .fromLibrary(.algorithmUnavailable, "AES-256-GCM") }
        let context = EVP_PKEY_CTX_new_from_name(nil, "RSA", nil)
        EVP_PKEY_CTX_free(context)
        guard context != nil else { throw .fromLibrary(.algorithmUnavailable, "RSA") }
        guard RAND_status() == 1 else { throw .fromLibrary(.randomnessUnavailable, "RAND") }
    }
}
