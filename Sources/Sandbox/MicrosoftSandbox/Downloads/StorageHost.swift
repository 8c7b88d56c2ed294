import Exports
import HTTPTypes
import Hummingbird

/// A pre-signed link to a file on the storage host: whoever holds it may read, until it expires.
protocol StorageLink {
    var job: String { get }
    /// The file's place in its job.
    var file: Int { get }

    /// Whether it was signed here, and its time is not over.
    func isGood(at now: Timestamp, _ world: World) -> Bool
}

/// The host that pre-signed links lead to: it wants no token, and refuses one (`Upstream-GraphEDiscovery, Download hosts` and
/// `Upstream-Intune, Download hosts`).
struct StorageHost: SandboxService {
    static let routes = [RouteTable.Route("GET {container}/{file}", .blobDownload, on: .blob)]

    let world: World
    let call: Call

    var jobSpokenOf: Job? { link.flatMap { world.jobs.job($0.job) } }
    var throttled: Response { Response(status: .tooManyRequests) }

    func answer() -> Response {
        if call["file"] == "signin" { return .signInPage }
        guard call.headers[.authorization] == nil else {
            return .text(.unauthorized, "Mise failed with error: ''", contentType: "text/plain")
        }
        guard let link, link.isGood(at: call.now, world), !call.faults.has(.expiredLink) else {
            return Response(status: .forbidden, headers: [.storageErrorCode: "AuthenticationFailed"])
        }
        guard let file = world.jobs.file(link.file, of: link.job, at: call.now) else {
            return Response(status: .notFound)
        }
        return FileAnswer(file: file, world: world, call: call, isStorage: true).response()
    }

    /// The link that the call follows, of whichever service it is.
    private var link: (any StorageLink)? {
        for service in Services.all {
            if let link = service.storageLink(call) { return link }
        }
        return nil
    }
}
