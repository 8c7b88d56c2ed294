import HTTPFields
import Exports
import SystemCrypto

/// A pre-signed link to a job's archive on the storage host (`Upstream-Intune, Download`): good until the time in `se`.
struct IntuneLink: StorageLink {
    /// The container of every report of this tenant.
    private static let container = "6a3c1f0e-52d7-4b98-8c41-0d9e7f6b2a15"

    var job: String
    let file = 0
    /// `se`, in whole seconds.
    var expiry: String
    var signature: String

    init(job: Job, expiresAt: Timestamp, world: World) {
        self.job = job.id
        expiry = UpstreamTime.innerErrorDate(expiresAt) + "Z"
        signature = ""
        signature = expectedSignature(world)
        world.tokens.note(secret: signature)
    }

    /// Reads a request for an archive; nil where it has not the form of a link.
    init?(_ call: Call) {
        guard call["container"] == Self.container, call["file"].hasSuffix(".zip"), let expiry = call.query["se"],
            let signature = call.query["sig"]
        else { return nil }
        job = String(call["file"].dropLast(".zip".count))
        self.expiry = expiry
        self.signature = signature
    }

    func url(_ call: Call, _ world: World) -> String {
        world.base(.blob, for: call)
            + "/\(Self.container)/\(PercentEncoding.encode(job)).zip?sv=2019-02-02&sr=b"
            + "&sig=\(PercentEncoding.encode(signature))&skoid=\(SandboxSeed.callerObjectID)&sktid=\(SandboxSeed.tenantID)"
            + "&sks=b&skv=2019-02-02&se=\(PercentEncoding.encode(expiry))&sp=r"
    }

    /// Whether it was signed here, and its time is not over.
    func isGood(at now: Timestamp, _ world: World) -> Bool {
        guard let end = Timestamp(rfc3339: expiry), end > now else { return false }
        return constantTimeEquals(Array(signature.utf8), Array(expectedSignature(world).utf8))
    }

    private func expectedSignature(_ world: World) -> String {
        let message = "intune\n\(job)\n\(expiry)"
        return Base64Text.standard(HMACSHA256.authenticationCode(for: Array(message.utf8), key: world.linkKey))
    }
}
