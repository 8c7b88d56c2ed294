/// How a sandbox listens and how fast its world turns.
public struct SandboxSettings: Sendable {
    /// The address all three listeners bind to.
    public var host = "127.0.0.1"
    /// The port of Entra ID, Graph, Power BI and the control plane; 0 takes any free one.
    public var apiPort = 0
    /// The port of the Purview download proxy; 0 takes any free one.
    public var proxyPort = 0
    /// The port of the pre-signed storage host; 0 takes any free one.
    public var blobPort = 0

    /// How long every job runs, from its start to its end.
    public var jobDuration: Duration = .seconds(2)
    /// How long an access token is good for.
    public var tokenLifetime: Duration = .seconds(3600)
    /// How long files can be fetched: from the start of a Goals or Power BI export, and from the minting of a link.
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
    /// host instead of links on the download proxy (`graph.md` B7).
    public var preAuthorizedLinks = false

    /// Makes settings for any free ports of the loopback address.
    public init() {}
}

/// Where a running sandbox listens: base URLs without a trailing slash.
public struct SandboxAddresses: Sendable, Hashable {
    /// Entra ID, Graph, Power BI and the control plane, told apart by path.
    public var api: String
    /// The Purview download proxy.
    public var proxy: String
    /// The pre-signed storage host.
    public var blob: String

    /// Makes a set of addresses.
    public init(api: String, proxy: String, blob: String) {
        self.api = api
        self.proxy = proxy
        self.blob = blob
    }
}
