import COpenSSL

/// AES-256-GCM (NIST SP 800-38D) with nonces of 12 bytes and tags of 16.
enum AESGCM {
    static let keyBytes = 32
    static let nonceBytes = 12
    static let tagBytes = 16

    /// Ciphertext and tag. A nonce must never be used twice with one key.
    static func seal(_ plain: [UInt8], key: [UInt8], nonce: [UInt8], context: [UInt8]) throws(CryptoError) -> [UInt8] {
        var sealed = [UInt8](repeating: 0, count: plain.count + tagBytes)
        let done = run(key, nonce) { cipher in
            var written: Int32 = 0
            guard EVP_EncryptInit_ex2(cipher, algorithm.cipher, key, nonce, nil) == 1,
                EVP_EncryptUpdate(cipher, nil, &written, context, Int32(context.count)) == 1,
                EVP_EncryptUpdate(cipher, &sealed, &written, plain, Int32(plain.count)) == 1,
                written == plain.count
            else { return false }
            return sealed.withUnsafeMutableBufferPointer { bytes in
                guard let tag = bytes.baseAddress.map({ $0 + plain.count }) else { return false }
                return EVP_EncryptFinal_ex(cipher, tag, &written) == 1
                    && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, Int32(tagBytes), tag) == 1
            }
        }
        guard done else { throw .fromLibrary(.algorithmUnavailable, "AES-256-GCM") }
        return sealed
    }

    /// The plain bytes of what `seal` made. Throws `notAuthentic` for anything else.
    static func open(_ sealed: [UInt8], key: [UInt8], nonce: [UInt8], context: [UInt8]) throws(CryptoError) -> [UInt8] {
        let notAuthentic = CryptoError(code: .notAuthentic, subject: "AES-256-GCM", reason: "")
        guard sealed.count >= tagBytes else { throw notAuthentic }
        let count = sealed.count - tagBytes
        var tag = Array(sealed[count...])
        // At least one byte: without an output buffer, libcrypto would take the input for additional data.
        var plain = [UInt8](repeating: 0, count: max(count, 1))
        let opened = run(key, nonce) { cipher in
            var written: Int32 = 0
            var rest = [UInt8](repeating: 0, count: tagBytes)
            return EVP_DecryptInit_ex2(cipher, algorithm.cipher, key, nonce, nil) == 1
                && EVP_DecryptUpdate(cipher, nil, &written, context, Int32(context.count)) == 1
                && EVP_DecryptUpdate(cipher, &plain, &written, sealed, Int32(count)) == 1
                && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, Int32(tagBytes), &tag) == 1
                && EVP_DecryptFinal_ex(cipher, &rest, &written) == 1
        }
        ERR_clear_error()
        guard opened else { throw notAuthentic }
        return Array(plain.prefix(count))
    }

    private static func run(_ key: [UInt8], _ nonce: [UInt8], _ body: (OpaquePointer) -> Bool) -> Bool {
        precondition(key.count == keyBytes && nonce.count == nonceBytes, "AES-256-GCM: 32 bytes of key, 12 of nonce")
        guard algorithm.cipher != nil, let cipher = EVP_CIPHER_CTX_new() else { return false }
        defer { EVP_CIPHER_CTX_free(cipher) }
        return body(cipher)
    }

    struct Algorithm: @unchecked Sendable {  // An EVP_CIPHER never changes once fetched, and is never freed here.
        let cipher: OpaquePointer?
    }

    static let algorithm = Algorithm(cipher: EVP_CIPHER_fetch(nil, "AES-256-GCM", nil))
}
