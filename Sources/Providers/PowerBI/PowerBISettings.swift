public import Exports
public import UpstreamHTTP

/// Where Power BI is, and what may be shown there.
public struct PowerBISettings: UpstreamSettings {
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

    public init(_ keys: inout some ConnectionKeys) throws(StartupError) {
        let profileID = try keys.text("profileId")
        if let profileID, !UUIDText.isValid(profileID) {
            throw keys.error("profileId", "must be the profile's id, a UUID")
        }
        self.init(
            apiRoot: try keys.url("apiRoot", default: keys.cloud.powerBIRoot),
            scope: try keys.scope("scope", default: keys.cloud.powerBIScope),
            profileID: profileID,
            asksForRanges: try keys.bool("ranges", default: false)
        )
    }

    public var scopes: [TokenScope] { [scope] }

    /// Which hosts may be shown which token: the API root alone. The regional hosts of the answers are never called.
    public var bearerHosts: [TokenScope: [HostRule]] { [scope: [.origin(of: apiRoot)]] }
}

/// Power BI in each cloud (`Upstream-PowerBI, Clouds`).
extension NationalCloud {
    var powerBIRoot: String {
        switch self {
        case .public: "https://api.powerbi.com"
        case .gcc: "https://api.powerbigov.us"
        case .gccHigh: "https://api.high.powerbigov.us"
        case .dod: "https://api.mil.powerbigov.us"
        case .china: "https://api.powerbi.cn"
        }
    }

    var powerBIScope: TokenScope {
        let host =
            switch self {
            case .public: "analysis.windows.net"
            case .gcc: "analysis.usgovcloudapi.net"
            case .gccHigh: "high.analysis.usgovcloudapi.net"
            case .dod: "mil.analysis.usgovcloudapi.net"
            case .china: "analysis.chinacloudapi.cn"
            }
        return TokenScope("https://\(host)/powerbi/api/.default")
    }
}
