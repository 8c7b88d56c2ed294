import COpenSSL

/// A file in which OpenSSL's store found nothing. It is read again in other ways, and to tell the operator what would help.
struct KeyFile {
    private let bytes: [UInt8]

    /// Longer files hold no keys.
    private static let limit = 1 << 20

    /// Reads the file at a path or `file:` URI; nil when it cannot be read, or is longer than 1 MiB.
    init?(_ uri: String) {
        // RFC 8089, 2: the host of a local file is empty or localhost.
        let prefix = ["file://localhost/", "file:///", "file:/"].first { uri.hasPrefix($0) }
        let path = prefix.map { "/" + uri.dropFirst($0.count) } ?? uri
        defer { ERR_clear_error() }
        guard let file = BIO_new_file(path, "rb") else { return nil }
        defer { BIO_free(file) }
        var bytes = [UInt8](repeating: 0, count: Self.limit + 1)
        var count = 0
        while count < bytes.count {
            let read = bytes.withUnsafeMutableBytes { BIO_read(file, $0.baseAddress! + count, Int32($0.count - count)) }
            guard read > 0 else { break }
            count += Int(read)
        }
        guard count <= Self.limit else { return nil }
        self.bytes = Array(bytes.prefix(count))
    }

    /// Whether it is text with PEM in it (RFC 7468).
    var isPEM: Bool { String(decoding: bytes, as: UTF8.self).contains("-----BEGIN ") }

    /// What is in it, where the store of this OpenSSL does not read what is good; nil for anything else.
    ///
    /// Throws `javaKeystore`, `unknownMAC`, and for PKCS#12 without a MAC the error of its passphrase or its encryption.
    func contents(part: KeyMaterialError.Part, passphrase: [UInt8]?) throws(KeyMaterialError) -> StoreContents? {
        // The first bytes of JKS and JCEKS, as sun.security.provider.JavaKeyStore writes them.
        if [[0xFE, 0xED, 0xFE, 0xED], [0xCE, 0xCE, 0xCE, 0xCE]].contains(Array(bytes.prefix(4))) {
            throw KeyMaterialError(.javaKeystore, part)
        }
        guard let file = PKCS12File(bytes) else { return nil }
        switch file.mac {
        case .none: return try file.contents(part: part, passphrase: passphrase)
        case .unknown: throw KeyMaterialError(.unknownMAC, part)
        // The store can read such a file: its own error message is right.
        case .known: return nil
        }
    }
}

/// A PKCS#12 file (RFC 7292), read with `PKCS12_parse`, because the store of OpenSSL 3.0 does not read one without a MAC.
private struct PKCS12File: ~Copyable {
    enum MAC {
        case none, known, unknown
    }

    private let pointer: OpaquePointer

    init?(_ bytes: [UInt8]) {
        let pointer = bytes.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var position = bytes.baseAddress
            return d2i_PKCS12(nil, &position, bytes.count)
        }
        ERR_clear_error()
        guard let pointer else { return nil }
        self.pointer = pointer
    }

    deinit { PKCS12_free(pointer) }

    /// Whether there is a MAC, and whether OpenSSL knows its algorithm, as it did for all before RFC 9579.
    var mac: MAC {
        guard PKCS12_mac_present(pointer) == 1 else { return .none }
        var algorithm: UnsafePointer<X509_ALGOR>?
        PKCS12_get0_mac(nil, &algorithm, nil, nil, pointer)
        var name: OpaquePointer?
        X509_ALGOR_get0(&name, nil, nil, algorithm)
        defer { ERR_clear_error() }
        guard let digest = EVP_MD_fetch(nil, Self.text(of: name), nil) else { return .unknown }
        EVP_MD_free(digest)
        return .known
    }

    /// The key and the certificates. One of them may be missing.
    func contents(part: KeyMaterialError.Part, passphrase: [UInt8]?) throws(KeyMaterialError) -> StoreContents {
        ERR_clear_error()
        var (key, leaf, others): (OpaquePointer?, OpaquePointer?, OpaquePointer?)
        let isRead: Bool
        if let passphrase {
            isRead = (passphrase + [0])
                .withUnsafeBytes { bytes in
                    let text = bytes.assumingMemoryBound(to: CChar.self).baseAddress
                    // With a passphrase, OpenSSL 3.0 requires a MAC here too. One is added to the copy in memory.
                    return PKCS12_set_mac(pointer, text, -1, nil, 0, 1, EVP_sha256()) == 1
                        && PKCS12_parse(pointer, text, &key, &leaf, &others) == 1
                }
        } else {
            isRead = PKCS12_parse(pointer, nil, &key, &leaf, &others) == 1
        }
        defer {
            X509_free(leaf)
            COPENSSL_certificates_free(others)
        }
        guard isRead else {
            EVP_PKEY_free(key)
            guard !OpenSSLErrors.taken().contains(where: OpenSSLErrors.isAboutGivenUpAlgorithm) else {
                throw KeyMaterialError(.outdatedEncryption, part)
            }
            throw KeyMaterialError(passphrase == nil ? .passphraseMissing : .wrongPassphrase, .passphrase)
        }
        var contents = StoreContents(part: part, prompt: PassphrasePrompt(passphrase))
        if let key { contents.keys = [KeyHandle(owning: key)] }
        let chain = (0..<max(0, COPENSSL_certificate_count(others))).map { COPENSSL_certificate_at(others, $0) }
        contents.certificates = ([leaf] + chain)
            .compactMap { certificate in
                certificate.flatMap { try? Certificate($0) }
            }
        return contents
    }

    private static func text(of name: OpaquePointer?) -> String {
        var text = [CChar](repeating: 0, count: 128)
        OBJ_obj2txt(&text, Int32(text.count), name, 1)
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
