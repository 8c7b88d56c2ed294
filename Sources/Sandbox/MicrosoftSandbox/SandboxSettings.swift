import SystemCrypto

/// Where a sandbox listens, and how long its jobs, tokens and links last.
public struct SandboxSettings: Sendable {
    /// The address all three listeners bind to.
    public var host = "127.0.0.1"
    /// The port of Entra ID, Graph, Power BI and the control plane; 0 takes any free one.
    public var apiPort = 0
    /// The port of the Purview download proxy; 0 takes any free one.
    public var proxyPort = 0
    /// The port of the pre-signed storage host; 0 takes any free one.
    public var blobPort = 0
    /// The port of Entra ID, Graph and Power BI over TLS; 0 takes any free one. Nobody listens there without `tls`.
    public var securePort = 0
    /// Whose name the listener with TLS shows; nil for none.
    public var tls: SandboxTLS?

    /// How long every job runs, from its start to its end.
    public var jobDuration: Duration = .seconds(2)
    /// How long an access token is good for.
    public var tokenLifetime: Duration = .seconds(3600)
    /// The certificates that the application may sign its assertions with, from the start.
    public var certificates: [Certificate] = []
    /// Whether an assertion with a known `jti` is taken again, as Entra does and MSAL expects.
    public var acceptsRepeatedAssertions = false
    /// How long files can be fetched: from the start of a Goals or Power BI export, and from the minting of a link. Intune's
    /// links are good for six hours at most.
    public var downloadLifetime: Duration = .seconds(24 * 3600)

    /// The host name written into `Location` and download URLs, with the bound ports behind it; without it, the name
    /// in the caller's `Host`.
    public var publicHost: String?

    /// The size in bytes of a data file that no rule speaks of. Small report files come beside it where Purview
    /// writes them.
    public var fileSize: Int64 = 65_536
    /// How many operations a page of a Graph list holds at most.
    public var pageSize = 100
    /// The tenant setting of the same name: search and review-set exports hand out pre-signed links on the storage
    /// host instead of links on the download proxy (`Upstream-GraphEDiscovery, Pre-signed links`).
    public var preAuthorizedLinks = false

    /// Makes settings for any free ports of the loopback address.
    public init() {}
}

/// The files of a server's certificate.
public struct SandboxTLS: Sendable, Hashable {
    /// The path of the certificate chain in PEM, leaf first.
    public var certificateFile: String
    /// The path of the leaf's private key in PEM, without a password.
    public var keyFile: String

    /// Makes the pair. The files are read when the sandbox starts to run.
    public init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }
}

/// Where a running sandbox listens: base URLs without a trailing slash.
public struct SandboxAddresses: Sendable, Hashable {
    /// Entra ID, Graph, Power BI and the control plane, told apart by path.
    public var api: String
    /// The Purview download proxy.
    public var proxy: String
    /// The pre-signed storage host.
    public var blob: String
    /// The same as `api` over TLS, without the control plane; nil where the settings have no certificate.
    public var secure: String?

    /// Makes a set of addresses.
    public init(api: String, proxy: String, blob: String, secure: String? = nil) {
        self.api = api
        self.proxy = proxy
        self.blob = blob
        self.secure = secure
    }
}
