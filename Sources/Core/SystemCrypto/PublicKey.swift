import COpenSSL

/// An RSA public key of 2048 to 8192 bits.
public final class PublicKey: Sendable {
    /// The modulus `n`, big-endian without leading zeros.
    public let modulus: [UInt8]
    /// The exponent `e`, big-endian without leading zeros.
    public let exponent: [UInt8]

    let handle: KeyHandle

    /// Makes a key from its numbers, big-endian, as a JWK's `n` and `e` (RFC 7518, 6.3.1).
    ///
    /// Throws `unsupportedKey` for a modulus of another length, an even one, and an exponent that is even, below 3 or
    /// longer than 32 bits.
    public init(modulus: [UInt8], exponent: [UInt8]) throws(CryptoError) {
        let modulus = Array(modulus.drop { $0 == 0 })
        let exponent = Array(exponent.drop { $0 == 0 })
        let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
        guard acceptedKeyBits.contains(bits), let last = modulus.last, last & 1 == 1, (1...4).contains(exponent.count),
            let low = exponent.last, low & 1 == 1, exponent != [1]
        else { throw CryptoError(code: .unsupportedKey, subject: "RSA key", reason: "its numbers are out of bounds") }
        guard let pointer = Self.key(modulus, exponent) else { throw .fromLibrary(.unsupportedKey, "RSA key") }
        self.modulus = modulus
        self.exponent = exponent
        handle = KeyHandle(owning: pointer)
    }

    /// The public half of `handle`.
    init(of handle: KeyHandle) throws(CryptoError) {
        try handle.requireRSA()
        modulus = try handle.number("n")
        exponent = try handle.number("e")
        self.handle = handle
    }

    /// Whether `signature` is one of `message` by the key's owner. False for any signature that cannot be read.
    public func verifies(_ signature: [UInt8], of message: [UInt8], _ algorithm: SignatureAlgorithm) -> Bool {
        guard signature.count == modulus.count, let context = EVP_MD_CTX_new() else { return false }
        defer {
            EVP_MD_CTX_free(context)
            // A wrong signature leaves an error in the thread's queue. Removed, so that later code does not take it for its own.
            ERR_clear_error()
        }
        var keyContext: OpaquePointer?
        return EVP_DigestVerifyInit_ex(context, &keyContext, "SHA256", nil, nil, handle.pointer, nil) == 1
            && algorithm.configure(keyContext)
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

    private static func key(_ modulus: [UInt8], _ exponent: [UInt8]) -> OpaquePointer? {
        let (n, e) = (
            BN_bin2bn(modulus, Int32(modulus.count), nil), BN_bin2bn(exponent, Int32(exponent.count), nil)
        )
        let builder = OSSL_PARAM_BLD_new()
        let context = EVP_PKEY_CTX_new_from_name(nil, "RSA", nil)
        defer {
            BN_free(n)
            BN_free(e)
            OSSL_PARAM_BLD_free(builder)
            EVP_PKEY_CTX_free(context)
        }
        // The names must stay at their addresses: the builder and its parameters keep pointers to them.
        return "n"
            .withCString { nameOfN in
                "e"
                    .withCString { nameOfE in
                        guard let n, let e, let builder, let context, OSSL_PARAM_BLD_push_BN(builder, nameOfN, n) == 1,
                            OSSL_PARAM_BLD_push_BN(builder, nameOfE, e) == 1,
                            let parameters = OSSL_PARAM_BLD_to_param(builder)
                        else { return nil }
                        defer { OSSL_PARAM_free(parameters) }
                        var key: OpaquePointer?
                        guard EVP_PKEY_fromdata_init(context) == 1,
                            EVP_PKEY_fromdata(context, &key, COPENSSL_PUBLIC_KEY, parameters) == 1
                        else { return nil }
                        return key
                    }
            }
    }
}

extension PublicKey: Equatable {
    public static func == (lhs: PublicKey, rhs: PublicKey) -> Bool {
        lhs.modulus == rhs.modulus && lhs.exponent == rhs.exponent
    }
}
