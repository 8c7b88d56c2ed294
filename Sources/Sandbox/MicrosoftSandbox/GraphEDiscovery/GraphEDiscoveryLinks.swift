import HTTPFields
import Exports
import SystemCrypto

/// A link on the download proxy: names the operation and the file; the caller's token opens it
/// (`Upstream-GraphEDiscovery, Download`).
struct ProxyLink {
    var job: String
    var file: Int
    var expiresAt: Timestamp

    func url(_ call: Call, _ world: World) -> String {
        world.base(.proxy, for: call) + "/ediscovery/api/proxy/exportaedblobFileResult"
            + "(operationId='\(job)',file=\(file),expires=\(expiresAt.milliseconds))"
    }
}

extension ProxyLink {
    /// Reads the path's last segment.
    init?(path segment: String) {
        guard segment.hasPrefix("exportaedblobFileResult("), segment.hasSuffix(")") else { return nil }
        let arguments = segment.dropFirst("exportaedblobFileResult(".count).dropLast().split(separator: ",")
            .reduce(into: [Substring: Substring]()) { members, part in
                let halves = part.split(separator: "=", maxSplits: 1)
                if halves.count == 2 { members[halves[0]] = halves[1] }
            }
        guard let job = arguments["operationId"], job.count > 2, let file = arguments["file"].flatMap({ Int($0) }),
            let expires = arguments["expires"].flatMap({ Int64($0) })
        else { return nil }
        self.init(job: String(job.dropFirst().dropLast()), file: file, expiresAt: Timestamp(milliseconds: expires))
    }
}

/// A pre-signed link on the storage host: whoever holds it may read, until it expires
/// (`Upstream-GraphEDiscovery, Pre-signed links`).
struct BlobLink: StorageLink {
    var job: String
    var file: Int
    /// `se`, in whole seconds.
    var expiry: String
    var signature: String

    init(job: Job, file: Int, mintedAt: Timestamp, world: World) {
        self.job = job.id
        self.file = file
        expiry = UpstreamTime.innerErrorDate(mintedAt + world.settings.downloadLifetime) + "Z"
        signature = ""
        signature = expectedSignature(world)
        world.tokens.note(secret: signature)
    }

    /// Reads a request for a package; nil where it has not the form of a link.
    init?(_ call: Call) {
        guard call["container"].hasPrefix("packaging"), call["file"].hasSuffix(".zip"),
            let dash = call["file"].lastIndex(of: "-"),
            let file = Int(call["file"][call["file"].index(after: dash)...].dropLast(4)),
            let expiry = call.query["se"], let signature = call.query["sig"]
        else { return nil }
        job = String(call["file"][..<dash])
        self.file = file
        self.expiry = expiry
        self.signature = signature
    }

    func url(_ call: Call, _ world: World) -> String {
        let container = "packaging" + job.filter { $0 != "-" }
        return world.base(.blob, for: call)
            + "/\(container)/\(job)-\(file).zip?sv=2018-03-28&sr=c&sig=\(PercentEncoding.encode(signature))"
            + "&se=\(PercentEncoding.encode(expiry))&sp=racwdl"
    }

    func isGood(at now: Timestamp, _ world: World) -> Bool {
        guard let end = Timestamp(rfc3339: expiry), end > now else { return false }
        return constantTimeEquals(Array(signature.utf8), Array(expectedSignature(world).utf8))
    }

    private func expectedSignature(_ world: World) -> String {
        let message = "\(job)\n\(file)\n\(expiry)"
        return Base64Text.standard(HMACSHA256.authenticationCode(for: Array(message.utf8), key: world.linkKey))
    }
}
