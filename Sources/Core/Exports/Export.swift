public import JSON

/// One export, whichever upstream does the work. The API shows it, and the ledger stores it.
public struct Export: Sendable, Hashable {
    public var id: ExportID
    public var provider: ProviderID
    /// The configured connection that it runs on.
    public var connection: String
    /// Its name for people.
    public var name: String
    public var status: ExportStatus
    /// 0…100, only when the upstream reports it.
    public var percentComplete: Int?
    public var createdAt: Timestamp
    /// When anything of this export last changed.
    public var updatedAt: Timestamp
    /// When it ended, with any outcome. Nil exactly as long as it has not ended.
    public var completedAt: Timestamp?
    /// Until when the upstream keeps the files.
    public var expiresAt: Timestamp?
    /// When the upstream last confirmed this status.
    public var observedAt: Timestamp?
    /// Whether the upstream was asked for a newer status and gave none; `notice` says why.
    public var stale: Bool
    /// The authenticated caller who created it.
    public var createdBy: String
    /// What is exported, in the provider's own terms. Never a secret.
    public var source: JSONValue
    public var files: [ExportFile]
    /// Where the files were written, when the export goes to the caller's own storage: the container's address without its token.
    public var destination: String?
    /// The state of the caller's cancel request, if there was one.
    public var cancellation: Cancellation?
    /// Why it ended without success, or what is missing from a partial success.
    public var error: ExportFailure?
    /// What delays it at the moment, if anything.
    public var notice: ExportNotice?
    /// What drives it; nil when nothing more is done.
    public var tracking: Tracking?
    /// Since when somebody keeps it: nothing of it is purged. Nil where nobody does.
    public var retainedAt: Timestamp?
    /// The upstream's own id and status, verbatim, for support cases.
    public var upstream: UpstreamState?
    /// Counts the changes that a client can see, except `observedAt`. The entity tag is made from it.
    public var revision: Int64

    /// Makes an export that has just been accepted.
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
    /// Whether it has ended: nothing about it changes any more, except that a success may become `expired`. An `unknown` export
    /// with a `completedAt` was given up.
    public var isFinal: Bool { completedAt != nil || status.isTerminal }
}

/// The upstream's own id and status of an export.
public struct UpstreamState: Sendable, Hashable, Codable {
    public var id: String?
    public var status: String?

    /// Makes a record of the upstream's id and status.
    public init(id: String? = nil, status: String? = nil) {
        self.id = id
        self.status = status
    }
}

/// The state of a cancel request.
public enum Cancellation: String, Sendable, Hashable, Codable {
    /// The upstream confirmed that the job was stopped, or the job had not been started.
    case confirmed
    /// The provider cannot cancel jobs: the gateway stopped tracking, and the job may go on upstream.
    case unsupported
    /// The upstream was asked and has not confirmed.
    case requested
}

/// What drives an unfinished export.
public enum Tracking: String, Sendable, Hashable, Codable, CaseIterable {
    /// The gateway works on it by itself.
    case background
    /// The only credential is the caller's, and there is no valid one: the export goes on when a request brings one.
    case onRequest
}

/// A temporary problem that delays an unfinished export.
public struct ExportNotice: Sendable, Hashable, Codable {
    public var code: ProblemCode
    public var detail: String
    /// The upstream's error, where it refused the caller's token and that delays the export.
    public var upstream: UpstreamErrorInfo?
    /// For `queued`: the place among the starts that wait for the request budget, 1 for the next, as it was determined last.
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
