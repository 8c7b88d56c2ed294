/// TLS on the gateway's own port. Files are PEM.
public struct TLSSettings: Sendable {
    /// The lowest TLS version that is accepted.
    public enum Version: String, Sendable, CaseIterable {
        case v12 = "1.2"
        case v13 = "1.3"
    }

    /// The gateway's certificate and its chain to a root.
    public var certificateFile: String
    /// Its private key, without a passphrase.
    public var keyFile: String
    public var minimumVersion = Version.v12
    /// Whether clients may choose HTTP/2, by ALPN (RFC 9113, 3.2).
    public var offersHTTP2 = true
    /// The authorities whose client certificates are accepted; nil requests none.
    public var clientAuthorityFile: String?
    /// Whether a connection needs a client certificate. Otherwise a certificate that is sent must be valid, but none is needed.
    public var requiresClientCertificate = false

    /// Names the files; the rest is set as needed.
    public init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }
}
