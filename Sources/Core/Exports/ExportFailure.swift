/// The upstream's description of a failure, for a support case: on one line, without anything that could be a secret.
public struct UpstreamErrorInfo: Sendable, Hashable, Codable {
    /// The HTTP status.
    public var status: Int?
    /// The upstream's own error code.
    public var code: String?
    /// The upstream's own text, cut at 1,024 characters; tokens, signatures and queries of addresses are redacted.
    public var message: String?
    /// The id under which the upstream's support finds the call.
    public var requestId: String?

    /// Makes a record; the texts are cleaned and cut.
    public init(status: Int? = nil, code: String? = nil, message: String? = nil, requestId: String? = nil) {
        self.status = status
        self.code = code.map { UpstreamWords.clean($0, limit: 256) }
        self.message = message.map { UpstreamWords.clean($0, limit: 1024) }
        self.requestId = requestId.map { UpstreamWords.clean($0, limit: 256) }
    }
}

/// Why an export failed: the `error` of an `Export`, a problem document (RFC 9457) without `status`.
public struct ExportFailure: Sendable, Hashable, Codable {
    public var type: String
    public var title: String
    public var code: ProblemCode
    /// What happened in this case, and what can be done.
    public var detail: String
    public var upstream: UpstreamErrorInfo?

    /// Makes a failure; type and title follow from the code.
    public init(_ code: ProblemCode, _ detail: String, upstream: UpstreamErrorInfo? = nil) {
        type = code.type
        title = code.title
        self.code = code
        self.detail = detail
        self.upstream = upstream
    }
}
