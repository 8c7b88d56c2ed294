/// Microsoft's clouds: who signs in where, and where the services are that several providers use. What one provider alone uses
/// stands in its own folder.
///
/// Graph by `Upstream-Graph, Clouds`. GCC signs in at the worldwide host and has the worldwide Graph.
public enum NationalCloud: String, CaseIterable, Sendable {
    case `public`, gcc, gccHigh, dod, china

    /// The login host's root.
    public var authority: String {
        switch self {
        case .public, .gcc: "https://login.microsoftonline.com"
        case .gccHigh, .dod: "https://login.microsoftonline.us"
        case .china: "https://login.chinacloudapi.cn"
        }
    }

    /// Graph's root.
    public var graphRoot: String {
        switch self {
        case .public, .gcc: "https://graph.microsoft.com"
        case .gccHigh: "https://graph.microsoft.us"
        case .dod: "https://dod-graph.microsoft.us"
        case .china: "https://microsoftgraph.chinacloudapi.cn"
        }
    }

    /// The scope of Graph's tokens.
    public var graphScope: TokenScope { TokenScope(graphRoot + "/.default") }

    /// The domain of Azure Storage's blobs (https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure,
    /// https://learn.microsoft.com/azure/china/resources-developer-guide).
    public var blobDomain: String {
        switch self {
        case .public, .gcc: "blob.core.windows.net"
        case .gccHigh, .dod: "blob.core.usgovcloudapi.net"
        case .china: "blob.core.chinacloudapi.cn"
        }
    }
}
