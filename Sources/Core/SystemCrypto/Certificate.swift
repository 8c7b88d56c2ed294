import COpenSSL

/// An X.509 certificate (RFC 5280). Its signature and its issuer are not checked here.
public struct Certificate: Sendable, Hashable {
    /// The certificate as it is encoded (DER).
    public let der: [UInt8]
    /// The thumbprint that `x5t` carries: SHA-1 of the encoding.
    public let sha1: [UInt8]
    /// The thumbprint that `x5t#S256` carries: SHA-256 of the encoding.
    public let sha256: [UInt8]
    /// The first second of its validity, since 1970.
    public let notBefore: Int64
    /// The last second of its validity, since 1970.
    public let notAfter: Int64
    /// Whose it is, such as `CN=export-gateway` (RFC 2253).
    public let subject: String

    /// Reads one certificate. Throws `malformed` for anything else, and for bytes behind it.
    public init(der: [UInt8]) throws(CryptoError) {
        let certificate = der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var position = bytes.baseAddress
            let certificate = d2i_X509(nil, &position, bytes.count)
            guard position == bytes.baseAddress.map({ $0 + bytes.count }) else {
                X509_free(certificate)
                return nil
            }
            return certificate
        }
        guard let certificate else { throw .fromLibrary(.malformed, "X.509 certificate") }
        defer { X509_free(certificate) }
        try self.init(certificate, der: der)
    }

    /// Copies a certificate of libcrypto. The caller still has to free it.
    init(_ certificate: OpaquePointer) throws(CryptoError) {
        let count = i2d_X509(certificate, nil)
        guard count > 0 else { throw .fromLibrary(.malformed, "X.509 certificate") }
        var der = [UInt8](repeating: 0, count: Int(count))
        der.withUnsafeMutableBufferPointer { bytes in
            var position = bytes.baseAddress
            _ = i2d_X509(certificate, &position)
        }
        try self.init(certificate, der: der)
    }

    private init(_ certificate: OpaquePointer, der: [UInt8]) throws(CryptoError) {
        var sha1 = [UInt8](repeating: 0, count: 20)
        var count = sha1.count
        guard EVP_Q_digest(nil, "SHA1", nil, der, der.count, &sha1, &count) == 1 else {
            throw .fromLibrary(.algorithmUnavailable, "SHA-1")
        }
        guard let notBefore = Self.seconds(X509_get0_notBefore(certificate)),
            let notAfter = Self.seconds(X509_get0_notAfter(certificate))
        else { throw .fromLibrary(.malformed, "X.509 certificate") }
        self.der = der
        self.sha1 = sha1
        sha256 = SHA256.hash(der)
        self.notBefore = notBefore
        self.notAfter = notAfter
        subject = Self.text(of: X509_get_subject_name(certificate))
    }

    /// The key that is certified. Throws `unsupportedKey` for anything but RSA of 2048 to 8192 bits.
    public func publicKey() throws(CryptoError) -> PublicKey {
        let key = der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var position = bytes.baseAddress
            guard let certificate = d2i_X509(nil, &position, bytes.count) else { return nil }
            defer { X509_free(certificate) }
            return X509_get_pubkey(certificate)
        }
        guard let key else { throw .fromLibrary(.unsupportedKey, "certified key") }
        return try PublicKey(of: KeyHandle(owning: key))
    }

    /// Whether it certifies the public key of `key`.
    public func belongs(to key: PrivateKey) -> Bool {
        guard let certified = try? publicKey() else { return false }
        return certified == key.publicKey
    }

    /// Whether one of its alternative names of DNS is `name` (RFC 9525, 6.3). Its addresses do not count, nor does its subject; a
    /// wildcard stands for one whole label.
    public func isValid(forHost name: String) -> Bool {
        der.withUnsafeBufferPointer { bytes in
            var position = bytes.baseAddress
            guard let certificate = d2i_X509(nil, &position, bytes.count) else { return false }
            defer { X509_free(certificate) }
            return X509_check_host(certificate, name, name.utf8.count, COPENSSL_HOST_BY_NAME_ONLY, nil) == 1
        }
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        guard let time, let epoch = ASN1_TIME_set(nil, 0) else { return nil }
        defer { ASN1_TIME_free(epoch) }
        var (days, seconds): (Int32, Int32) = (0, 0)
        guard ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else { return nil }
        return Int64(days) * 86_400 + Int64(seconds)
    }

    private static func text(of name: OpaquePointer?) -> String {
        guard let name, let output = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(output) }
        guard X509_NAME_print_ex(output, name, 0, COPENSSL_NAME_RFC2253) >= 0 else { return "" }
        var text = [UInt8](repeating: 0, count: 1024)
        let count = BIO_read(output, &text, Int32(text.count))
        return String(decoding: text.prefix(Int(max(0, count))), as: UTF8.self)
    }
}
