import NIOSSL

/// Certificate authorities that upstreams' certificates are checked against.
///
/// For networks whose outgoing proxy terminates TLS, and for upstreams inside an organization.
public struct TrustedAuthorities: Sendable {
    /// The file that they were read from.
    public let file: String
    package let certificates: [NIOSSLCertificate]

    /// Reads all certificates of a PEM file. Nil when it cannot be read, or holds none.
    public init?(pemFile path: String) {
        guard let certificates = try? NIOSSLCertificate.fromPEMFile(path), !certificates.isEmpty else { return nil }
        file = path
        self.certificates = certificates
    }

    /// They count in place of the system's own.
    var configuration: TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(certificates)
        return configuration
    }
}
