public import JSON

/// One export, whichever upstream does the work: what the API shows and the ledger keeps.
public struct Export: Sendable, Hashable {
    public var id: ExportID
    public var provider: ProviderID
    /// The configured upstream account that it runs on.
    public var connection: String
    /// What people call it.
    public var name: String
    public var status: ExportStatus
    /// 0…100, only when the upstream tells.
    public var percentComplete: Int?
    public var createdAt: Timestamp
    /// When anything of this export last changed.
    public var updatedAt: Timestamp
    /// When it ended, in whatever way: nil exactly as long as it goes on.
    public var completedAt: Timestamp?
    /// Until when the upstream keeps the files.
    public var expiresAt: Timestamp?
    /// When the upstream last confirmed this status.
    public var observedAt: Timestamp?
    /// Whether newer word was asked for and could not be had; `notice` says why.
    public var stale: Bool
    /// The authenticated caller who created it.
    public var createdBy: String
    /// What is exported, in the provider's own terms. Never a secret.
    public var source: JSONValue
    public var files: [ExportFile]
    /// Where the files went, when the export was made into the caller's own storage: the container's address without its token.
    public var destination: String?
    /// What became of the wish to cancel, when there was one.
    public var cancellation: Cancellation?
    /// Why it ended in another way than as a success, or what is missing from a partial one.
    public var error: ExportFailure?
    /// What holds it up at the moment, when something does.
    public var notice: ExportNotice?
    /// What brings it on; nil when nothing more is done.
    public var tracking: Tracking?
    /// The upstream's own id and status, verbatim, for support cases.
    public var upstream: UpstreamState?
    /// Counts the changes that a client can see, `observedAt` aside: the entity tag is made from it.
    public var revision: Int64

    /// Makes an export as it is when it has just been accepted.
    public init(
        id: ExportID,
        provider: ProviderID,
        connection: String,
        name: String,
        createdAt: Timestamp,
        createdBy: String,
        source: JSONValue
    ) {
        self.id = id
        self.provider = provider
        self.connection = connection
        self.name = name
        status = .notStarted
        self.createdAt = createdAt
        updatedAt = createdAt
        stale = false
        self.createdBy = createdBy
        self.source = source
        files = []
        tracking = .background
        revision = 1
    }
}

extension Export {
    /// Whether it has ended: nothing about it changes any more, but for `expired` after a success. `unknown` with a
    /// `completedAt` was given up.
    public var isFinal: Bool { completedAt != nil || status.isTerminal }
}

/// The upstream's own word on an export.
public struct UpstreamState: Sendable, Hashable, Codable {
    public var id: String?
    public var status: String?

    /// Makes a record of the upstream's id and status.
    public init(id: String? = nil, status: String? = nil) {
        self.id = id
        self.status = status
    }
}

/// What became of the wish to cancel.
public enum Cancellation: String, Sendable, Hashable, Codable {
    /// The upstream confirmed that the job was stopped, or it had not been started.
    case confirmed
    /// The provider has no cancel: the gateway stopped tracking, the job may go on upstream.
    case unsupported
    /// The upstream was asked and has not confirmed.
    case requested
}

/// What brings an unfinished export on.
public enum Tracking: String, Sendable, Hashable, Codable, CaseIterable {
    /// The gateway works on it by itself.
    case background
    /// The only credential is the caller's, and there is none that is good: it goes on when a caller asks for it with one.
    case onRequest
}

/// Something that holds an unfinished export up, and may pass.
public struct ExportNotice: Sendable, Hashable, Codable {
    public var code: ProblemCode
    public var detail: String
    /// What the upstream said, where its word on the caller's token is what holds the export up.
    public var upstream: UpstreamErrorInfo?
    /// For `queued`: the place among the starts that wait for the request budget, 1 for the next, when it was looked at last.
    public var position: Int?
    /// For `queued`: when the start is expected.
    public var estimatedStart: Timestamp?

    /// Makes a notice.
    public init(_ code: ProblemCode, _ detail: String, upstream: UpstreamErrorInfo? = nil) {
        self.code = code
        self.detail = detail
        self.upstream = upstream
    }
}
