public import UpstreamHTTP

/// Where the Viva Goals export API is, and what may be shown there. It was in the public cloud only (`graph.md` C1).
public struct VivaGoalsSettings: Sendable {
    /// The address that `/beta` stands below.
    public var apiRoot: UpstreamURL
    /// The scope of the delegated token that the calls carry.
    public var scope: TokenScope
    /// Storage hosts that a download may be redirected to, without the token.
    public var openHosts: [HostRule]

    /// Makes settings for the public cloud where nothing else is given.
    public init(
        apiRoot: UpstreamURL = UpstreamURL(httpsHost: "graph.microsoft.com"),
        scope: TokenScope = TokenScope("https://graph.microsoft.com/.default"),
        openHosts: [HostRule] = []
    ) {
        self.apiRoot = apiRoot
        self.scope = scope
        self.openHosts = openHosts
    }

    /// Which hosts may be shown which token: the API root alone.
    public var bearerHosts: [TokenScope: [HostRule]] { [scope: [.origin(of: apiRoot)]] }
}
