import COpenSSL

/// SHA-256 (FIPS 180-4, RFC 6234) over bytes that come in pieces, in constant memory.
///
/// ```swift
/// var hash = SHA256()
/// hash.update(first)
/// hash.update(second)
/// let digest = hash.finalize()   // 32 bytes
/// ```
public struct SHA256: ~Copyable {
    /// The length of a digest.
    public static let byteCount = 32

    private let context: OpaquePointer

    /// Starts a digest over nothing.
    public init() {
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("libcrypto: no memory for a digest") }
        self.context = context
        let started = EVP_DigestInit_ex(context, Self.algorithm.digest, nil)
        precondition(started == 1, "libcrypto: SHA-256 is not available; SystemCrypto.check() tells why")
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    /// Adds bytes to what is digested.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        let updated = EVP_DigestUpdate(context, start, bytes.count)
        precondition(updated == 1, "libcrypto: a running SHA-256 failed")
    }

    /// Adds bytes to what is digested: an array, a slice of a buffer, a text's `utf8`.
    public mutating func update(_ bytes: some Sequence<UInt8>) {
        let context = context
        let updated = bytes.withContiguousStorageIfAvailable { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        if let updated {
            precondition(updated == 1, "libcrypto: a running SHA-256 failed")
        } else {
            Array(bytes).withUnsafeBytes { update($0) }
        }
    }

    /// The digest of everything that was added: 32 bytes. Ends the use of this value.
    public consuming func finalize() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Self.byteCount)
        let finished = EVP_DigestFinal_ex(context, &digest, nil)
        precondition(finished == 1, "libcrypto: a running SHA-256 failed")
        return digest
    }

    /// The digest of everything that was added until now: 32 bytes. More may be added afterwards.
    public func digestSoFar() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Self.byteCount)
        guard let copy = EVP_MD_CTX_new() else { preconditionFailure("libcrypto: no memory for a digest") }
        defer { EVP_MD_CTX_free(copy) }
        let finished = EVP_MD_CTX_copy_ex(copy, context) == 1 && EVP_DigestFinal_ex(copy, &digest, nil) == 1
        precondition(finished, "libcrypto: a running SHA-256 cannot be copied")
        return digest
    }

    /// The digest of bytes that are all there: 32 bytes.
    public static func hash(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { digest, count in
            let made = EVP_Digest(bytes, bytes.count, digest.baseAddress, nil, algorithm.digest, nil)
            precondition(made == 1, "libcrypto: SHA-256 is not available; SystemCrypto.check() tells why")
            count = byteCount
        }
    }
}

extension SHA256 {
    /// libcrypto's SHA-256, looked up once: a lookup takes locks and costs more than a short digest.
    struct Algorithm: @unchecked Sendable {  // An EVP_MD never changes once fetched, and is never freed here.
        let digest: OpaquePointer?
    }

    static let algorithm = Algorithm(digest: EVP_MD_fetch(nil, "SHA256", nil))
}
