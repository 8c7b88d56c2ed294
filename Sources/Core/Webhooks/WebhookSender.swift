/// One attempt to send a message.
public struct WebhookRequest: Sendable {
    public var url: String
    /// The header fields, with the signature.
    public var fields: [(name: String, value: String)]
    public var body: [UInt8]

    /// Makes a request.
    public init(url: String, fields: [(name: String, value: String)], body: [UInt8]) {
        (self.url, self.fields, self.body) = (url, fields, body)
    }
}

/// What the target answered. Its body was read and dropped, up to a limit.
public struct WebhookAnswer: Sendable, Hashable {
    public var status: Int
    /// `Retry-After`, from now on; nil where there is none, or none that can be read.
    public var retryAfter: Duration?

    /// Makes an answer.
    public init(status: Int, retryAfter: Duration?) { (self.status, self.retryAfter) = (status, retryAfter) }
}

/// Why there is no answer. The raw value is stored, shown to callers, and a metric label.
public enum WebhookSendFailure: String, Error, Sendable, Hashable, CaseIterable {
    /// The URL is none that may be called: its scheme, user information, port or spelling.
    case invalidURL = "invalid-url"
    /// The host's name has no address.
    case unresolved = "unresolved"
    /// An address of the host is private, loopback, link-local, or otherwise not public, and the configuration does not allow the
    /// host. Nothing was connected to.
    case forbiddenAddress = "forbidden-address"
    case connectionFailed = "connection-failed"
    /// The certificate is not valid for the host, or the handshake failed.
    case tlsFailed = "tls-failed"
    case timeout = "timeout"
    /// The connection broke before a whole answer, or what came is no HTTP.
    case brokenAnswer = "broken-answer"
}

/// Sends webhook messages. It resolves the host of each request, checks every address, connects to a checked address only, and
/// follows no redirect.
public protocol WebhookSender: Sendable {
    /// Whether the URL could be called, as far as it can be told without resolving a name. Throws what `send` would.
    func check(_ url: String) throws(WebhookSendFailure)

    /// Sends one request on a connection of its own. Ends within the configured time, and soon after the task is cancelled, with
    /// `timeout`.
    func send(_ request: WebhookRequest) async throws(WebhookSendFailure) -> WebhookAnswer
}
