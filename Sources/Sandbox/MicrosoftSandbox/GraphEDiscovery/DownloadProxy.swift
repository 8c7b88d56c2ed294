import Exports
import HTTPTypes
import Hummingbird

/// The proxy that Purview's packages come from, which wants a token of its own and a header
/// (`Upstream-GraphEDiscovery, Download hosts`).
struct DownloadProxy: SandboxService {
    static let routes = [RouteTable.Route("GET ediscovery/api/proxy/{file}", .proxyDownload, on: .proxy)]
    static let permissions = [TokenBook.Audience.purviewDownload: ["eDiscovery.Download.Read"]]

    let world: World
    let call: Call

    var jobSpokenOf: Job? { ProxyLink(path: call["file"]).flatMap { world.jobs.job($0.job) } }
    var throttled: Response { Response(status: .tooManyRequests) }

    func answer() -> Response {
        if call["file"] == "signin" { return .signInPage }
        switch world.tokens.judge(call.bearer, for: .purviewDownload, at: call.now) {
        case .absent, .unknown, .expired: return signIn
        case .wrongAudience:
            return .text(.unauthorized, "Token does not contain valid scope or role", contentType: "text/plain")
        case .good: break
        }
        guard call.headers[.allowWithAADToken]?.lowercased() == "true" else { return signIn }
        guard let link = ProxyLink(path: call["file"]),
            let file = world.jobs.file(link.file, of: link.job, at: call.now)
        else { return Response(status: .notFound) }
        guard link.expiresAt > call.now, !call.faults.has(.expiredLink) else { return Response(status: .forbidden) }
        return FileAnswer(file: file, world: world, call: call).response()
    }

    /// To a page that answers 200 with HTML, which careless clients save as their package.
    private var signIn: Response {
        Response(
            status: .found,
            headers: [.location: world.base(.proxy, for: call) + "/ediscovery/api/proxy/signin"]
        )
    }
}

extension TokenBook.Audience {
    static let purviewDownload = Self(rawValue: SandboxSeed.purviewApplicationID)
}

/// Rules for eDiscovery mean both hosts that its packages come from.
extension Operation {
    static let proxyDownload = Operation("download.proxy", .download, aliases: ["graph", GraphEDiscoveryService.name])
    static let blobDownload = Operation("download.blob", .download, aliases: ["graph", GraphEDiscoveryService.name])
}
