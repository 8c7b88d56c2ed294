import Exports

/// A key that lets a caller in.
public struct APIKey: Sendable, Hashable {
    /// The caller's id: `createdBy` of its exports, and in the access log. Never secret. Keys with the same id are the same
    /// caller's: an old one and the new one.
    public var id: String
    /// SHA-256 of the key, 32 bytes: the key itself is not kept.
    public var sha256: [UInt8]
    /// What the caller may do.
    public var permissions: Permissions

    /// Names a key by its digest.
    public init(id: String, sha256: [UInt8], permissions: Permissions = .ownExports) {
        self.id = id
        self.sha256 = sha256
        self.permissions = permissions
    }
}

/// How the HTTP face listens and what it lets through.
public struct APISettings: Sendable {
    /// The address to bind.
    public var host: String
    /// The port to bind; 0 takes any free one.
    public var port: Int
    /// Where probes and metrics are served for the platform, without TLS; nil: with everything else.
    public var operations: Address?
    /// The callers' keys. Without any credential, everybody is let in as `anonymous`, and the operator must then bind loopback
    /// only.
    public var apiKeys: [APIKey]
    /// Who issues callers' access tokens; nil takes none.
    public var tokenAuthority: TokenAuthority?
    /// The callers that TLS client certificates prove.
    public var clientCertificates: [ClientCertificate] = []
    /// Seals the cursors; the same on all replicas. At least 32 bytes.
    public var cursorKey: SecretBytes
    /// The largest request body; longer ones get 413.
    public var maxBodyBytes = 262_144
    /// The longest request target; longer ones get 414.
    public var maxTargetBytes = 8_192
    /// The most bytes of all header fields together; more get 431. Three of the longest tokens, and 16 KiB besides.
    public var maxHeaderBytes = 65_536
    /// The most header fields; more get 431. Each takes memory beside its bytes, however short it is.
    public var maxHeaderFields = 256
    /// The most connections at a time. For one more, an idle one gives way; where all are busy, more wait in the kernel's
    /// queue.
    public var maxConnections = 1_024
    /// How long a connection may be silent between requests, or within one.
    public var idleTimeout: Duration = .seconds(75)
    /// The fewest bytes in a second that a client may take of an answer that waits for it; one that takes fewer, averaged
    /// over `minimumRateWindow`, is cut. 0 lets every client be that takes anything at all.
    public var minimumRate = 1_024
    /// How long a client's pace is averaged over.
    public var minimumRateWindow: Duration = .seconds(60)
    /// How long a request body may take; slower ones get 408.
    public var bodyTimeout: Duration = .seconds(15)
    /// The longest `Prefer: wait`.
    public var maxWait: Duration = .seconds(60)
    /// The gateway's address as clients see it, such as `https://exports.contoso.com`; makes links absolute.
    public var publicURL: String?
    /// The proxies whose word counts on how clients reach the gateway, where `publicURL` does not say it.
    public var trustedProxies: [IPRange] = []
    /// Whether the state of an export that is in memory is answered on the event loop that reads the request, where nothing else
    /// has to be asked; else by a task, with the same bytes.
    public var directAnswers = true
    /// Told by `/livez`.
    public var version: String

    /// An address to bind; port 0 takes any free one.
    public struct Address: Sendable, Hashable {
        public var host: String
        public var port: Int

        /// Names an address.
        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// Makes settings; the limits keep their defaults.
    public init(
        host: String = "127.0.0.1",
        port: Int = 8080,
        apiKeys: [APIKey] = [],
        cursorKey: SecretBytes,
        publicURL: String? = nil,
        version: String = "1.0.0"
    ) {
        self.host = host
        self.port = port
        self.apiKeys = apiKeys
        self.cursorKey = cursorKey
        self.publicURL = publicURL
        self.version = version
    }
}
