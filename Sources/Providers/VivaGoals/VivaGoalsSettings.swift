public import Exports
public import UpstreamHTTP

/// Where the Viva Goals export API is, and what may be shown there. It was in the public cloud only
/// (`Upstream-VivaGoals, Calls`).
public struct VivaGoalsSettings: UpstreamSettings {
    /// The address that `/beta` stands below.
    public var apiRoot: UpstreamURL
    /// The scope of the delegated token that the calls carry.
    public var scope: TokenScope
    /// Storage hosts that a download may be redirected to, without the token.
    public var openHosts: [HostRule]
    /// Whether parts of files are asked for. Nothing says that Viva Goals serves them (`Upstream-VivaGoals, Content`).
    public var asksForRanges: Bool

    /// Makes settings for the public cloud where nothing else is given.
    public init(
        apiRoot: UpstreamURL = UpstreamURL(httpsHost: "graph.microsoft.com"),
        scope: TokenScope = TokenScope("https://graph.microsoft.com/.default"),
        openHosts: [HostRule] = [],
        asksForRanges: Bool = false
    ) {
        self.apiRoot = apiRoot
        self.scope = scope
        self.openHosts = openHosts
        self.asksForRanges = asksForRanges
    }

    public init(_ keys: inout some ConnectionKeys) throws(StartupError) {
        self.init(
            apiRoot: try keys.url("apiRoot", default: keys.cloud.graphRoot),
            scope: try keys.scope("scope", default: keys.cloud.graphScope),
            asksForRanges: try keys.bool("ranges", default: false)
        )
    }

    public var scopes: [TokenScope] { [scope] }

    /// Which hosts may be shown which token: the API root alone.
    public var bearerHosts: [TokenScope: [HostRule]] { [scope: [.origin(of: apiRoot)]] }
}
