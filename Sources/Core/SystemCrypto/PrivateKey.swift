import COpenSSL

/// An RSA private key, in memory or in a hardware module. It can sign, and cannot be printed or exported.
public final class PrivateKey: Sendable {
    /// The public key that belongs to it.
    public let publicKey: PublicKey

    private let handle: KeyHandle

    /// Wraps a key of libcrypto. Throws `unsupportedKey` for anything but RSA of 2048 to 8192 bits.
    init(_ handle: KeyHandle) throws(CryptoError) {
        publicKey = try PublicKey(of: handle)
        self.handle = handle
    }

    /// Makes a new key. Throws `unsupportedKey` for a length outside 2048 to 8192 bits.
    ///
    /// Takes as long as it takes to find two primes: tenths of a second for 2048 bits.
    public static func generate(bits: Int) throws(CryptoError) -> PrivateKey {
        guard acceptedKeyBits.contains(bits) else {
            throw CryptoError(code: .unsupportedKey, subject: "RSA key", reason: "\(bits) bits are out of bounds")
        }
        let context = EVP_PKEY_CTX_new_from_name(nil, "RSA", nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard let context, EVP_PKEY_keygen_init(context) == 1,
            EVP_PKEY_CTX_set_rsa_keygen_bits(context, Int32(bits)) == 1, EVP_PKEY_generate(context, &key) == 1,
            let key
        else { throw .fromLibrary(.algorithmUnavailable, "RSA") }
        return try PrivateKey(KeyHandle(owning: key))
    }

    /// A signature of `message`, as long as the modulus. Throws `signingFailed`: for a key in memory, because the library lacks the
    /// algorithm; for a key in a module, for whatever reason the module gives.
    public func signature(of message: [UInt8], _ algorithm: SignatureAlgorithm) throws(CryptoError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw .fromLibrary(.signingFailed, algorithm.rawValue) }
        defer { EVP_MD_CTX_free(context) }
        var keyContext: OpaquePointer?
        var signature = [UInt8](repeating: 0, count: publicKey.modulus.count)
        var count = signature.count
        guard EVP_DigestSignInit_ex(context, &keyContext, "SHA256", nil, nil, handle.pointer, nil) == 1,
            algorithm.configure(keyContext),
            EVP_DigestSign(context, &signature, &count, message, message.count) == 1, count == signature.count
        else { throw .fromLibrary(.signingFailed, algorithm.rawValue) }
        return signature
    }
}

extension PrivateKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<private key>" }
    public var debugDescription: String { "<private key>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
