import Exports
import HTTPTypes
import Hummingbird

/// The hosts that Purview's packages come from: the proxy, which wants a token of its own and a header, and the storage
/// host, which wants neither and refuses the first (`Upstream-GraphEDiscovery, Download hosts`).
struct DownloadHosts {
    let world: World
    let call: Call

    func answer() -> Response {
        if call.captures["file"] == "signin" { return .signInPage }
        return call.operation == .proxyDownload ? proxy() : blob()
    }

    private func proxy() -> Response {
        switch world.tokens.judge(call.bearer, for: .purviewDownload, at: call.now) {
        case .absent, .unknown, .expired: return signIn
        case .wrongAudience:
            return .text(.unauthorized, "Token does not contain valid scope or role", contentType: "text/plain")
        case .good: break
        }
        guard call.headers[.allowWithAADToken]?.lowercased() == "true" else { return signIn }
        guard let link = ProxyLink(path: call["file"]), let file = file(of: link.job, link.file) else {
            return Response(status: .notFound)
        }
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

    private func blob() -> Response {
        guard call.headers[.authorization] == nil else {
            return .text(.unauthorized, "Mise failed with error: ''", contentType: "text/plain")
        }
        guard let (job, index) = signedFile, !call.faults.has(.expiredLink) else {
            return Response(status: .forbidden, headers: [.storageErrorCode: "AuthenticationFailed"])
        }
        guard let file = file(of: job, index) else { return Response(status: .notFound) }
        return FileAnswer(file: file, world: world, call: call, isStorage: true).response()
    }

    /// The file that a link with a good signature leads to, within its time.
    private var signedFile: (job: String, index: Int)? {
        if let link = BlobLink(call) {
            return link.isGenuine(world) && !link.isExpired(at: call.now) ? (link.job, link.file) : nil
        }
        guard let link = IntuneLink(call), link.isGood(at: call.now, world) else { return nil }
        return (link.job, 0)
    }

    private func file(of id: String, _ index: Int) -> FileSpec? {
        guard let job = world.jobs.job(id), job.hasFiles(at: call.now), job.files.indices.contains(index) else {
            return nil
        }
        return job.files[index]
    }
}
