public import UpstreamHTTP

/// Where the Viva Goals export API is, and what may be shown there. It was in the public cloud only (`graph.md` C1).
public struct VivaGoalsSettings: Sendable {
    /// The address that `/beta` stands below.
    public var apiRoot: UpstreamURL
    /// The scope of the delegated token that the calls carry.
    public var scope: TokenScope
    /// The hosts that may be shown the token; the API root alone, when not said otherwise. For `UpstreamClient.Settings`.
    public var bearerHosts: [HostRule]
    /// Storage hosts that a download may be redirected to, without the token. For `UpstreamClient.Settings`.
    public var openHosts: [HostRule]

    /// Makes settings for the public cloud where nothing else is given.
    public init(
        apiRoot: UpstreamURL = UpstreamURL(httpsHost: "graph.microsoft.com"),
        scope: TokenScope = TokenScope("https://graph.microsoft.com/.default"),
        bearerHosts: [HostRule]? = nil,
        openHosts: [HostRule] = []
    ) {
        self.apiRoot = apiRoot
        self.scope = scope
        self.bearerHosts = bearerHosts ?? [.origin(of: apiRoot)]
        self.openHosts = openHosts
    }
}
