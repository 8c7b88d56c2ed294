public import Exports
import NIOSSL

/// How calls leave the gateway: directly or through a proxy, whose certificates count, and from which address.
///
/// It does not say which hosts may be called: the host rules of a call have decided that before.
public struct Egress: Sendable {
    /// The proxy that opens the connections; nil: there is none.
    public var proxy: EgressProxy?
    /// Authorities whose certificates count; nil: none but the system's.
    public var authorities: TrustedAuthorities?
    /// Whether the system's authorities count besides `authorities`. Without `authorities` they always do.
    public var trustsSystem = true
    /// The IP address of this machine that connections come from, those to the proxy too; nil: the system chooses.
    public var sourceAddress: String?

    /// Directly, with the system's authorities, from the address that the system chooses.
    public init() {}

    /// What certificates are checked against, where `system` stands for the authorities that the system trusts; nil for its own list.
    func tlsConfiguration(system: TrustedAuthorities?) -> TLSConfiguration? {
        guard let authorities else { return system?.configuration }
        guard trustsSystem else { return authorities.configuration }
        var configuration = system?.configuration ?? TLSConfiguration.makeClientConfiguration()
        configuration.additionalTrustRoots = [.certificates(authorities.certificates)]
        return configuration
    }
}

/// An HTTP proxy that opens a tunnel for each connection (CONNECT: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6).
///
/// It learns the name and the port of the host, and what its credentials are. TLS is with the host, not with the proxy.
public struct EgressProxy: Sendable {
    /// Who the gateway is at the proxy, by the Basic scheme (https://www.rfc-editor.org/rfc/rfc7617).
    public struct Credentials: Sendable {
        public var user: String
        public var password: Secret

        /// `user` must have no colon.
        public init(user: String, password: Secret) {
            (self.user, self.password) = (user, password)
        }
    }

    /// Where it is: an `http` address without a path.
    public var url: UpstreamURL
    public var credentials: Credentials?
    /// Hosts that are called directly all the same.
    public var exceptions: [ProxyException]

    /// Makes the settings of a proxy.
    public init(url: UpstreamURL, credentials: Credentials? = nil, exceptions: [ProxyException] = []) {
        (self.url, self.credentials, self.exceptions) = (url, credentials, exceptions)
    }

    /// Whether a call to `url` goes through the proxy. Calls to this machine and to link-local addresses never do, whatever the
    /// exceptions say: at the proxy, the same addresses are other machines.
    public func carries(_ url: UpstreamURL) -> Bool {
        !ProxyException.isNearby(url) && !exceptions.contains { $0.matches(url) }
    }
}
