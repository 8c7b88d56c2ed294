public import UpstreamHTTP

/// Where Power BI is, and what may be shown there. The values for other clouds are in `Upstream-PowerBI, Clouds`.
public struct PowerBISettings: Sendable {
    /// The address that `/v1.0/myorg` stands below: `https://api.powerbi.com` in the public cloud.
    public var apiRoot: UpstreamURL
    /// The scope of the token that the calls carry.
    public var scope: TokenScope
    /// A service principal profile, sent as `X-PowerBI-profile-id`.
    public var profileID: String?
    /// Hosts that a download may be redirected to, without the token.
    public var openHosts: [HostRule]
    /// Whether parts of files are asked for. Power BI does not say that it serves them (`Upstream-PowerBI, File`).
    public var asksForRanges: Bool

    /// Makes settings for the public cloud where nothing else is given.
    public init(
        apiRoot: UpstreamURL = UpstreamURL(httpsHost: "api.powerbi.com"),
        scope: TokenScope = TokenScope("https://analysis.windows.net/powerbi/api/.default"),
        profileID: String? = nil,
        openHosts: [HostRule] = [],
        asksForRanges: Bool = false
    ) {
        self.apiRoot = apiRoot
        self.scope = scope
        self.profileID = profileID
        self.openHosts = openHosts
        self.asksForRanges = asksForRanges
    }

    /// Which hosts may be shown which token: the API root alone. The regional hosts of the answers are never called.
    public var bearerHosts: [TokenScope: [HostRule]] { [scope: [.origin(of: apiRoot)]] }
}
