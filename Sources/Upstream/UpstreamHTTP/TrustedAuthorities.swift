import NIOSSL

/// The certificate authorities that upstreams' certificates are checked against, in place of the system's own.
///
/// For networks whose outgoing proxy terminates TLS, and for upstreams inside an organization.
public struct TrustedAuthorities: Sendable {
    package let certificates: [NIOSSLCertificate]

    /// Reads all certificates of a PEM file. Nil when it cannot be read, or holds none.
    public init?(pemFile path: String) {
        guard let certificates = try? NIOSSLCertificate.fromPEMFile(path), !certificates.isEmpty else { return nil }
        self.certificates = certificates
    }

    var configuration: TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(certificates)
        return configuration
    }
}
