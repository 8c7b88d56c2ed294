import UpstreamHTTP

/// Microsoft's clouds: who signs in where, and where the services are.
///
/// Power BI by `Upstream-PowerBI, Clouds`, Graph by `Upstream-Graph, Clouds`. GCC signs in at the worldwide host and has the
/// worldwide Graph.
enum NationalCloud: String, CaseIterable, Sendable {
    case `public`, gcc, gccHigh, dod, china

    /// The login host's root.
    var authority: String {
        switch self {
        case .public, .gcc: "https://login.microsoftonline.com"
        case .gccHigh, .dod: "https://login.microsoftonline.us"
        case .china: "https://login.chinacloudapi.cn"
        }
    }

    var graphRoot: String {
        switch self {
        case .public, .gcc: "https://graph.microsoft.com"
        case .gccHigh: "https://graph.microsoft.us"
        case .dod: "https://dod-graph.microsoft.us"
        case .china: "https://microsoftgraph.chinacloudapi.cn"
        }
    }

    /// Whether eDiscovery's files come from the hosts of the worldwide cloud.
    var hasWorldwideDownloads: Bool { self == .public || self == .gcc }

    var graphScope: TokenScope { TokenScope(graphRoot + "/.default") }

    /// The domain of Azure Storage's blobs (https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure,
    /// https://learn.microsoft.com/azure/china/resources-developer-guide).
    var blobDomain: String {
        switch self {
        case .public, .gcc: "blob.core.windows.net"
        case .gccHigh, .dod: "blob.core.usgovcloudapi.net"
        case .china: "blob.core.chinacloudapi.cn"
        }
    }

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
