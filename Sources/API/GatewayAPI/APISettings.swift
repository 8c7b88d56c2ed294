import CallerIdentity
public import Exports
import InternetAddresses

/// The settings of the HTTP API: where it listens, who may call, and its limits.
public struct APISettings: Sendable {
    /// The address to bind.
    public var host: String
    /// The port to bind; 0 takes any free one.
    public var port: Int
    /// The address where probes and metrics are served for the platform, without TLS. With nil they are served with everything
    /// else.
    public var operations: Address?
    /// The callers' keys. Without any credential, every client is accepted as `anonymous`, and the operator must then bind
    /// loopback only.
    public var apiKeys: [APIKey]
    /// The authority that issues callers' access tokens; nil accepts no tokens.
    public var tokenAuthority: TokenAuthority?
    /// The callers that authenticate with TLS client certificates.
    public var clientCertificates: [ClientCertificate] = []
    /// The key that authenticates cursors; the same on all replicas. At least 32 bytes.
    public var cursorKey: SecretBytes
    /// The largest request body; longer ones get 413.
    public var maxBodyBytes = 262_144
    /// The longest request target; longer ones get 414.
    public var maxTargetBytes = 8_192
    /// The most bytes of all header fields together; more get 431. Enough for three of the longest tokens and 16 KiB more.
    public var maxHeaderBytes = 65_536
    /// The most header fields; more get 431. Each takes memory beside its bytes, however short it is.
    public var maxHeaderFields = 256
    /// The most connections at a time. For one more, an idle one is closed; where all are busy, more wait in the kernel's
    /// queue.
    public var maxConnections = 1_024
    /// How long a connection may be silent between requests, or within one.
    public var idleTimeout: Duration = .seconds(75)
    /// The lowest rate, in bytes a second, at which a client may read an answer that waits for it. A client that reads more
    /// slowly, averaged over `minimumRateWindow`, is disconnected. With 0, a client only has to read anything at all.
    public var minimumRate = 1_024
    /// The time over which a client's rate is averaged.
    public var minimumRateWindow: Duration = .seconds(60)
    /// How long a request body may take; slower ones get 408.
    public var bodyTimeout: Duration = .seconds(15)
    /// The limits of HTTP/2.
    public var http2 = HTTP2Settings()
    /// The longest `Prefer: wait`.
    public var maxWait: Duration = .seconds(60)
    /// The limits of event streams.
    public var events = EventSettings()
    /// The limits of callers.
    public var limits = CallerLimitTable()
    /// How long a download ticket is good, at most; nil makes none.
    public var ticketLifetime: Duration? = .seconds(900)
    /// The gateway's address as clients see it, such as `https://exports.contoso.com`; makes links absolute.
    public var publicURL: String?
    /// The hosts, beside those of the loopback, for which the gateway answers; a request for another one gets 421. With nil it answers
    /// for any host. Without any credential, it must not be nil: a web page could otherwise reach the gateway by its own name.
    public var hosts: Set<String>?
    /// The proxies that are trusted to say how clients reach the gateway, where `publicURL` does not say it.
    public var trustedProxies: [IPRange] = []
    /// Whether requests for the state of an export, and short create requests, are answered on the event loop that reads them,
    /// where nothing else is needed. Otherwise a task answers, with the same bytes.
    public var directAnswers = true
    /// The console at `/console`; nil serves none.
    public var console: ConsoleSettings?
    /// Shown by `/livez`.
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
