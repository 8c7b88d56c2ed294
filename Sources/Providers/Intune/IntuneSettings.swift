public import Exports
public import UpstreamHTTP

/// Where Intune's report export API is, how it is spoken, and where files may come from.
public struct IntuneSettings: UpstreamSettings {
    /// The version of Graph. Both have the same paths (`Upstream-Intune, Calls`).
    public enum Version: String, Sendable, CaseIterable {
        case v1 = "v1.0"
        case beta
    }

    /// How the address of a job is written. Both forms are documented (`Upstream-Intune, Calls`).
    public enum KeyForm: String, Sendable, CaseIterable {
        /// `exportJobs/{id}`.
        case slash
        /// `exportJobs('{id}')`.
        case quotes
    }

    /// Graph's origin, `https://graph.microsoft.com`.
    public var apiRoot: UpstreamURL
    public var version: Version
    public var keyForm: KeyForm
    /// The scope of Graph's tokens.
    public var scope: TokenScope
    /// The storage that files come from, by pre-signed links. It is shown no token.
    public var blobHosts: [HostRule]
    /// The age at which a job that has not ended is replaced by a new one (`Upstream-Intune, Stuck jobs`).
    public var stuckAfter: Duration
    /// The most jobs of one export. With 1, none is replaced.
    public var maximumJobs: Int
    /// Whether polls count against the request budget. Microsoft does not say (`Upstream-Intune, Limits`).
    public var countsPolls: Bool

    /// Makes settings for the public cloud where nothing else is given.
    public init(
        apiRoot: UpstreamURL = UpstreamURL(httpsHost: "graph.microsoft.com"),
        version: Version = .v1,
        keyForm: KeyForm = .slash,
        scope: TokenScope = TokenScope("https://graph.microsoft.com/.default"),
        blobHosts: [HostRule] = Self.blobHosts(storage: "blob.core.windows.net"),
        stuckAfter: Duration = .seconds(600),
        maximumJobs: Int = 3,
        countsPolls: Bool = true
    ) {
        self.apiRoot = apiRoot
        self.version = version
        self.keyForm = keyForm
        self.scope = scope
        self.blobHosts = blobHosts
        self.stuckAfter = stuckAfter
        self.maximumJobs = maximumJobs
        self.countsPolls = countsPolls
    }

    public init(_ keys: inout some ConnectionKeys) throws(StartupError) {
        self.init()
        apiRoot = try keys.url("apiRoot", default: keys.cloud.graphRoot)
        version = try keys.choice("version", default: version)
        keyForm = try keys.choice("keyForm", default: keyForm)
        scope = try keys.scope("scope", default: keys.cloud.graphScope)
        blobHosts = try keys.hosts("blobHosts") ?? Self.blobHosts(storage: keys.cloud.blobDomain)
        stuckAfter = try keys.duration("stuckAfter", in: .seconds(1) ... .seconds(48 * 3600), default: stuckAfter)
        maximumJobs = try keys.integer("maximumJobs", in: 1...20, default: maximumJobs)
        countsPolls = try keys.bool("countPolls", default: countsPolls)
    }

    /// What one user may do (`Upstream-Intune, Limits`).
    public static var userBudget: RequestBudget? { RequestBudget(8, per: .seconds(60)) }

    public var scopes: [TokenScope] { [scope] }

    /// The storage accounts of Intune's reports below a cloud's domain for blobs (`Upstream-Intune, Download hosts`).
    public static func blobHosts(storage domain: String) -> [HostRule] {
        HostRule.hosts(ending: "repexpstorage." + domain).map { [$0] } ?? []
    }

    /// Which hosts may be shown which token: the API root alone.
    public var bearerHosts: [TokenScope: [HostRule]] { [scope: [.origin(of: apiRoot)]] }

    /// Which hosts may be called without a token.
    public var openHosts: [HostRule] { blobHosts }
}
