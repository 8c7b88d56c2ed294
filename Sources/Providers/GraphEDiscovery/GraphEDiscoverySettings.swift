public import Exports
public import UpstreamHTTP

/// Where Microsoft Graph is found, which of its two eDiscovery interfaces is spoken, and where files may come from.
public struct GraphEDiscoverySettings: UpstreamSettings {
    /// Which interface of Graph is spoken.
    public enum Dialect: String, Sendable, CaseIterable {
        /// `microsoft.graph.security`, the present one (`Upstream-GraphEDiscovery, Two dialects`).
        case security
        /// `microsoft.graph.ediscovery`, which Microsoft announced to stop on 1 February 2023
        /// (`Upstream-GraphEDiscovery, Two dialects`).
        case ediscovery
    }

    /// The version of the `security` dialect.
    public enum Version: String, Sendable, CaseIterable {
        case v1 = "v1.0"
        case beta
    }

    /// Graph's origin, `https://graph.microsoft.com`.
    public var apiRoot: UpstreamURL
    public var dialect: Dialect
    /// For the `security` dialect; the other exists in beta only.
    public var version: Version
    /// The scope of Graph's tokens.
    public var graphScope: TokenScope
    /// The scope of the tokens that the download proxy takes (`Upstream-GraphEDiscovery, Download`).
    public var downloadScope: TokenScope
    /// The download proxies: they are shown the download token.
    public var proxyHosts: [HostRule]
    /// Hosts with pre-signed links: they are shown no token, because they answer one with 401.
    public var blobHosts: [HostRule]

    /// Makes settings for the public cloud; what differs is given.
    public init(
        apiRoot: UpstreamURL = Self.publicCloud,
        dialect: Dialect = .security,
        version: Version = .v1,
        graphScope: TokenScope = TokenScope("https://graph.microsoft.com/.default"),
        downloadScope: TokenScope = TokenScope("b26e684c-5068-4120-a679-64a5d2c909d9/.default"),
        proxyHosts: [HostRule] = Self.publicProxyHosts,
        blobHosts: [HostRule] = Self.publicBlobHosts
    ) {
        self.apiRoot = apiRoot
        self.dialect = dialect
        self.version = version
        self.graphScope = graphScope
        self.downloadScope = downloadScope
        self.proxyHosts = proxyHosts
        self.blobHosts = blobHosts
    }

    public init(_ keys: inout some ConnectionKeys) throws(StartupError) {
        // Microsoft lists these APIs for the worldwide and the US government's clouds (`Upstream-GraphEDiscovery, Clouds`).
        guard keys.cloud != .china else { throw keys.error("cloud", "has no eDiscovery API") }
        self.init()
        apiRoot = try keys.url("apiRoot", default: keys.cloud.graphRoot)
        dialect = try keys.choice("dialect", default: dialect)
        version = try keys.choice("version", default: version)
        proxyHosts = try keys.downloadHosts("proxyHosts", worldwide: proxyHosts)
        blobHosts = try keys.downloadHosts("blobHosts", worldwide: blobHosts)
        graphScope = try keys.scope("graphScope", default: keys.cloud.graphScope)
        downloadScope = try keys.scope("downloadScope", default: downloadScope)
    }

    public var scopes: [TokenScope] { [graphScope, downloadScope] }

    // A literal that parses; every test with default settings reads it.
    public static let publicCloud = UpstreamURL("https://graph.microsoft.com")!

    /// The proxies of `Upstream-GraphEDiscovery, Download hosts`.
    public static let publicProxyHosts: [HostRule] = [
        .subdomains(of: "proxyservice.ediscovery.svc.cloud.microsoft"),
        .subdomains(of: "proxyservice.ediscovery.office365.com"),
    ]

    /// The storage of `Upstream-GraphEDiscovery, Download hosts`. Some differ in the middle:
    /// `*.blob.edproxy.nam01.ediscovery.outlook.com`.
    public static let publicBlobHosts: [HostRule] = [
        .subdomains(of: "blob.core.windows.net"),
        .subdomains(of: "ediscovery.outlook.com"),
    ]

    /// Which hosts may be shown which token.
    public var bearerHosts: [TokenScope: [HostRule]] {
        [graphScope: [.origin(of: apiRoot)]].merging([downloadScope: proxyHosts]) { $0 + $1 }
    }

    /// Which hosts may be called without a token.
    public var openHosts: [HostRule] { blobHosts }
}

/// What kind of host a file comes from.
enum DownloadHost: Sendable {
    /// Wants the download token and a header (`Upstream-GraphEDiscovery, Download`).
    case proxy
    /// Wants nothing but its link.
    case blob
}

extension GraphEDiscoverySettings {
    /// Whether files may come from the host of `url`, and how; nil when they may not.
    func downloadHost(of url: UpstreamURL) -> DownloadHost? {
        if proxyHosts.contains(where: { $0.matches(url) }) { return .proxy }
        if blobHosts.contains(where: { $0.matches(url) }) { return .blob }
        return nil
    }

    func caseURL(_ caseID: String) -> UpstreamURL {
        switch dialect {
        case .security: apiRoot.appending(path: [version.rawValue, "security", "cases", "ediscoveryCases", caseID])
        case .ediscovery: apiRoot.appending(path: ["beta", "compliance", "ediscovery", "cases", caseID])
        }
    }

    func operationsURL(of caseID: String) -> UpstreamURL { caseURL(caseID).appending(path: ["operations"]) }
}

extension ConnectionKeys {
    /// The hosts that files come from. Microsoft names those of the worldwide cloud only
    /// (`Upstream-GraphEDiscovery, Download hosts`): elsewhere exports would run, and their files be refused.
    fileprivate mutating func downloadHosts(
        _ name: String,
        worldwide: [HostRule]
    ) throws(StartupError) -> [HostRule] {
        if let hosts = try hosts(name) { return hosts }
        guard cloud == .public || cloud == .gcc else {
            throw error(
                name,
                "is required with cloud: \(cloud.rawValue), whose download hosts are not known here: look them up in the downloadUrl of a finished export's exportFileMetadata; [] for none"
            )
        }
        return worldwide
    }
}
