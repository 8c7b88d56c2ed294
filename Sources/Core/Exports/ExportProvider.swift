public import JSON

/// One upstream's way of exporting, on one connection. Adapters translate and classify; they do not wait, retry,
/// remember or decide: the engine does.
///
/// Every method but `validate` may call the upstream, honours the task's cancellation, and throws nothing but
/// `ProviderError` (a cancelled call throws `transient` with `CancellationError` as its cause; a cancelled start does so
/// only where nothing was sent, and `ambiguous` else).
/// The methods stand in the order of an export's life.
public protocol ExportProvider: Sendable {
    /// What this provider is and can do: the same for every connection.
    static var descriptor: ProviderDescriptor { get }

    /// Checks the options object of a create request; no network call.
    ///
    /// Throws `invalid` with every fault found, pointers relative to the options object.
    func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport

    /// Starts the export upstream, once.
    ///
    /// `secrets` are those that `validate` gave back, by the same pointers. `context.willStart` is called before the first
    /// byte of the call goes out, and nothing goes out when it throws; `UpstreamClient` does so. Throws `accepted` where the
    /// upstream took the start, by a 2xx, and the job's id is nowhere in its answer; `ambiguous` where the call may have
    /// started a job; `conflict` where another job is in the way. With any other error, nothing was started.
    func submit(
        _ plan: ExportPlan,
        secrets: [String: Secret],
        marker: SubmissionMarker,
        context: CallContext
    ) async throws(ProviderError) -> Submission

    /// Looks for the job of a start whose outcome is not known: after a crash, or an ambiguous start.
    ///
    /// Nil when none is to be seen, which does not mean that there is none: upstreams list late. A job that carries the
    /// marker is this export's. One without it is this export's only if nothing else is possible: created after the attempt
    /// began, by the upstream's own clock; by this connection's identity, where the upstream says by whom; asking for the
    /// same; bound to no other export, and not possibly that of another unconfirmed start (`others`); and alone in all that.
    /// Throws `ambiguous` where several jobs come into question, or one that may be another export's: an operator has to
    /// decide. Throws `unsupported` where `reconcile` is not declared.
    func reconcile(
        _ plan: ExportPlan,
        marker: SubmissionMarker,
        others: OtherExports,
        context: CallContext
    ) async throws(ProviderError) -> Submission?

    /// The reference to the job that somebody has found upstream under this id. No network call.
    ///
    /// The same reference as `submit` gives for that id. Throws `invalid`, with the pointer `/upstreamId`, for what cannot be
    /// the id of a job.
    func reference(
        toUpstreamID id: String,
        of plan: ExportPlan,
        marker: SubmissionMarker
    ) throws(ProviderError) -> UpstreamReference

    /// The ways in which the upstream may have written this id of a job, `id` itself first: an export may be bound to the job
    /// under any of them. No network call.
    func spellings(ofUpstreamID id: String) -> [String]

    /// The upstream's own time at `now` of our clock, going by the `Date` of its last answer: never later than it is. Nil where
    /// no answer has told.
    func upstreamTime(at now: Timestamp) -> Timestamp?

    /// The upstream's present word on each reference. Every reference gets an entry.
    ///
    /// Where that takes several calls, they are made for the callers in turn (`context.owners`), and after
    /// `context.roundLimit` no further one is begun: what was not asked for is `queued`.
    func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Result<Observation, ProviderError>]

    /// Stops the job upstream. Throws `unsupported` where `cancel` is not declared.
    func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError)

    /// Opens one file, or the part of it that `range` names: links are asked for anew each time.
    ///
    /// The head says what came: where `rangeDownload` is not declared, or the upstream has no parts of this file, or its
    /// validator does not hold any more, that is the whole file. Throws `gone` when this answer says that the file is not
    /// kept (the engine asks for the job before it believes that), `invalid` when the range lies beyond its end. The body
    /// must be read to its end, or the task cancelled.
    func open(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> FileBody
}

extension ExportProvider {
    /// Only `id`: it is opaque.
    public func spellings(ofUpstreamID id: String) -> [String] { [id] }
}

/// What travels with every call to an upstream.
public struct CallContext: Sendable {
    /// Sent as the upstream's correlation id (`client-request-id`), and logged.
    public var requestID: String
    /// The caller's own upstream token, where it gave one.
    public var authorization: Secret?
    /// The caller's own token for the hosts that files come from, where it gave one. Only with a caller's own request for a
    /// file; kept nowhere.
    public var downloadAuthorization: Secret?
    /// Where the refresh token of the export rests that the call is made for. Nil where none is to be kept, and where the
    /// call is a caller's own request.
    public var refreshToken: (any RefreshTokenStore)?
    /// What has to be done before the first byte of a call that may start a job goes out; when it throws, none does. May be
    /// called again, where the call is made again after its token was refused.
    public var willStart: (@Sendable () async throws(ProviderError) -> Void)?
    /// What has to be done when such a call has surely started nothing and is going to be made again: its token was refused. It
    /// waits for another token and for another place in the request budget then, before `willStart`.
    public var didNotStart: (@Sendable () async -> Void)?
    /// How urgent the work is: in which class its calls wait for their place in the request budget.
    public var priority = CallPriority.caller
    /// Whose export it is for; the budget's places go to callers in turn. Nil for work that is for many.
    public var caller: String?
    /// How many places the caller gets for one of another with the weight 1, where both wait. At least 1.
    public var weight = 1
    /// Whose exports each reference is for, where a question is for those of many: its calls are made for them in turn.
    public var owners: [UpstreamReference: [CallerShare]] = [:]
    /// For how long further calls of one question for many are begun: whoever had the first turn may have the next one before
    /// all others have had theirs. Nil sets no bound.
    public var roundLimit: Duration?
    /// What it is for: of one caller, exports take turns, and who is sent back keeps its place. Nil keeps none.
    public var work: PacedWork?
    /// The piece of work of several calls that this one may be part of.
    public var series: CallSeries?
    /// The longest wait for a place in the budget; nil leaves it to the client.
    public var patience: Duration?

    /// Makes a context for one piece of work.
    public init(
        requestID: String,
        authorization: Secret? = nil,
        downloadAuthorization: Secret? = nil,
        refreshToken: (any RefreshTokenStore)? = nil
    ) {
        self.requestID = requestID
        self.authorization = authorization
        self.downloadAuthorization = downloadAuthorization
        self.refreshToken = refreshToken
    }
}

/// A create request that can be carried out.
public struct ValidatedExport: Sendable {
    public var plan: ExportPlan
    /// What must go upstream and be written nowhere, by its JSON Pointer within the options object.
    public var secrets: [String: Secret]

    /// Makes the outcome of a validation.
    public init(plan: ExportPlan, secrets: [String: Secret] = [:]) {
        self.plan = plan
        self.secrets = secrets
    }
}

/// What is to be exported, fit to be written down: holds no secret.
public struct ExportPlan: Sendable, Hashable, Codable {
    /// The options in normal form, secrets left out: `source` of the export, and what `submit` works from.
    public var source: JSONValue
    /// What to call the export when the caller gave no name.
    public var suggestedName: String
    /// The caller's own storage, when the files go there: the container's address without its token.
    public var destination: String?
    /// Whether `submit` needs secrets: they are lost in a crash before the start.
    public var needsSecrets: Bool

    /// Makes a plan.
    public init(source: JSONValue, suggestedName: String, destination: String? = nil, needsSecrets: Bool = false) {
        self.source = source
        self.suggestedName = suggestedName
        self.destination = destination
        self.needsSecrets = needsSecrets
    }
}

/// How a job is recognised again, whatever happened in between.
public struct SubmissionMarker: Sendable, Hashable {
    public var exportID: ExportID
    /// The name that the caller gave to the export, or the plan's suggestion.
    public var exportName: String
    /// When the first attempt to start it was written down: a job that is older is not ours.
    public var notBefore: Timestamp
    /// The same moment by the upstream's own clock, or a little earlier; nil where that was not known then.
    public var upstreamNotBefore: Timestamp?

    /// Makes a marker.
    public init(exportID: ExportID, exportName: String, notBefore: Timestamp, upstreamNotBefore: Timestamp? = nil) {
        self.exportID = exportID
        self.exportName = exportName
        self.notBefore = notBefore
        self.upstreamNotBefore = upstreamNotBefore
    }

    /// The text to leave upstream where there is a free text to leave it in: `export-gateway:<id>`.
    public var text: String { "export-gateway:\(exportID)" }
}

/// Where a job is found upstream: kept in the ledger, holds no secret.
public struct UpstreamReference: Sendable, Hashable, Codable {
    /// The upstream's own id of the job.
    public var id: String
    /// What else the adapter needs to find it: its case, its workspace, its report.
    public var context: [String: String]

    /// Makes a reference.
    public init(id: String, context: [String: String] = [:]) {
        self.id = id
        self.context = context
    }
}

/// A job that was started.
public struct Submission: Sendable {
    public var reference: UpstreamReference
    /// What the upstream's answer told of it already.
    public var observation: Observation?

    /// Makes a record of a start.
    public init(reference: UpstreamReference, observation: Observation? = nil) {
        self.reference = reference
        self.observation = observation
    }
}

/// The upstream's present word on a job.
public struct Observation: Sendable, Hashable {
    /// The status in our words; `unknown` for any value never seen before.
    public var status: ExportStatus
    /// The status verbatim.
    public var upstreamStatus: String
    public var percentComplete: Int?
    public var completedAt: Timestamp?
    public var expiresAt: Timestamp?
    /// The files, once there are any. Their order does not change.
    public var files: [ExportFile] = []
    /// Done, but the upstream does not list its files yet: ask again soon (`Upstream-GraphEDiscovery, Files`).
    public var filesPending = false
    /// Why it failed, or what is missing from a partial success.
    public var failure: ExportFailure?
    /// Failed because the upstream was busy: start it again after this time (`Upstream-PowerBI, Status`).
    public var resubmitAfter: Duration?
    /// When the upstream wants to be asked next.
    public var pollAfter: Duration?

    /// Makes an observation; the rest is set as far as the upstream tells.
    public init(_ status: ExportStatus, upstreamStatus: String) {
        self.status = status
        self.upstreamStatus = upstreamStatus
    }
}
