import COpenSSL

/// The algorithms that tokens and assertions are signed with here; the raw value is JWS's `alg` (RFC 7518, 3.1).
public enum SignatureAlgorithm: String, Sendable, CaseIterable {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3).
    case rs256 = "RS256"
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes (RFC 7518, 3.5).
    case ps256 = "PS256"

    /// Sets up a started signature or verification. False when libcrypto refuses.
    func configure(_ context: OpaquePointer?) -> Bool {
        switch self {
        case .rs256: EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
        case .ps256:
            EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
                && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1
        }
    }
}

/// The accepted lengths of RSA keys, in bits. Shorter keys are weak; longer ones cost too much processor time.
let acceptedKeyBits = 2048...8192

/// Owns a key of libcrypto.
final class KeyHandle: @unchecked Sendable {  // An EVP_PKEY that is only used, never changed, is safe in many threads.
    let pointer: OpaquePointer

    private let freed: (@Sendable () -> Void)?

    /// Takes over a reference to `pointer`; `freed` is called once it is given back.
    init(owning pointer: OpaquePointer, freed: (@Sendable () -> Void)? = nil) {
        self.pointer = pointer
        self.freed = freed
    }

    deinit {
        EVP_PKEY_free(pointer)
        freed?()
    }

    /// A number of the key, such as the modulus `n`, big-endian without leading zeros.
    func number(_ name: String) throws(CryptoError) -> [UInt8] {
        var number: OpaquePointer?
        guard EVP_PKEY_get_bn_param(pointer, name, &number) == 1, let number else {
            throw .fromLibrary(.unsupportedKey, "RSA key")
        }
        defer { BN_free(number) }
        var bytes = [UInt8](repeating: 0, count: Int(BN_num_bits(number) + 7) / 8)
        BN_bn2bin(number, &bytes)
        return bytes
    }

    /// Refuses everything but RSA of an accepted length.
    func requireRSA() throws(CryptoError) {
        guard EVP_PKEY_get_base_id(pointer) == EVP_PKEY_RSA else {
            throw CryptoError(code: .unsupportedKey, subject: "key", reason: "only RSA keys are supported")
        }
        let bits = Int(EVP_PKEY_get_bits(pointer))
        guard acceptedKeyBits.contains(bits) else {
            throw CryptoError(
                code: .unsupportedKey,
                subject: "RSA key",
                reason:
                    "it has \(bits) bits, not \(acceptedKeyBits.lowerBound) to \(acceptedKeyBits.upperBound)"
            )
        }
    }
}
