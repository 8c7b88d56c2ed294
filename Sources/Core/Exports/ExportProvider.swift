public import JSON

/// One upstream export API on one connection. An adapter translates and classifies. It does not wait, retry, store or decide:
/// the engine does.
///
/// Every method except `validate` may call the upstream, honours the task's cancellation, and throws only `ProviderError`.
/// A cancelled call throws `transient` with `CancellationError` as its cause. A cancelled start does so only where nothing was
/// sent, and throws `ambiguous` otherwise. The methods stand in the order of an export's life.
public protocol ExportProvider: Sendable {
    /// What this provider is and what it can do. The same for every connection.
    static var descriptor: ProviderDescriptor { get }

    /// Checks the options object of a create request; no network call.
    ///
    /// Throws `invalid` with every fault found, pointers relative to the options object.
    func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport

    /// Starts the export upstream, once.
    ///
    /// `secrets` are the secrets that `validate` returned, by the same pointers. `context.willStart` is called before the first
    /// byte of the call is sent, and nothing is sent when it throws; `UpstreamClient` does so. Throws `accepted` where the
    /// upstream accepted the start with a 2xx but the job's id is nowhere in its answer, `ambiguous` where the call may have
    /// started a job, and `conflict` where another job prevents the start. With any other error, nothing was started.
    func submit(
        _ plan: ExportPlan,
        secrets: [String: Secret],
        marker: SubmissionMarker,
        context: CallContext
    ) async throws(ProviderError) -> Submission

    /// Looks for the job of a start whose outcome is unknown: after a crash, or an ambiguous start.
    ///
    /// Returns nil when the upstream lists no such job. That does not mean that there is none: upstreams list late. A job that
    /// carries the marker belongs to this export. A job without the marker belongs to this export only if all of this holds:
    ///
    /// - The job was created after the attempt began, by the upstream's own clock.
    /// - The job was created by this connection's identity, where the upstream says who created it.
    /// - The job was asked for the same.
    /// - The job is bound to no other export, and cannot belong to another unconfirmed start (`others`).
    /// - No other job meets these conditions.
    ///
    /// Throws `ambiguous` where several jobs are possible, or one that may belong to another export: an operator has to decide.
    /// Throws `unsupported` where `reconcile` is not declared.
    func reconcile(
        _ plan: ExportPlan,
        marker: SubmissionMarker,
        others: OtherExports,
        context: CallContext
    ) async throws(ProviderError) -> Submission?

    /// The reference to a job that an operator found upstream under this id. No network call.
    ///
    /// It is the same reference as `submit` returns for that id. Throws `invalid`, with the pointer `/upstreamId`, for what
    /// cannot be the id of a job.
    func reference(
        toUpstreamID id: String,
        of plan: ExportPlan,
        marker: SubmissionMarker
    ) throws(ProviderError) -> UpstreamReference

    /// All spellings that the upstream may use for this id of a job, `id` itself first. An export may be bound to the job under
    /// any of them. No network call.
    func spellings(ofUpstreamID id: String) -> [String]

    /// The upstream's own time at `now` of our clock, estimated by the `Date` of its last answer. It is never later than the
    /// upstream's real time. Nil before an answer had a `Date`.
    func upstreamTime(at now: Timestamp) -> Timestamp?

    /// Polls the upstream for the present state of each reference. Every reference gets an entry in the result.
    ///
    /// Where this takes several calls, they are made for the callers in turn (`context.owners`). After `context.roundLimit` no
    /// further call is begun, and the references that are left are `queued`.
    func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Result<Observation, ProviderError>]

    /// Stops the job upstream. Throws `unsupported` where `cancel` is not declared.
    func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError)

    /// Opens one file, or the part of it that `range` names. Download links are requested again each time.
    ///
    /// The head says what came. It is the whole file where `rangeDownload` is not declared, where the upstream serves no parts
    /// of this file, or where the validator does not match any more. Throws `gone` when the answer says that the file is not
    /// kept (the engine polls the job before it accepts that), and `invalid` when the range begins beyond the end of the file.
    /// The caller must read the body to its end, or cancel the task.
    func open(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> FileBody
}

extension ExportProvider {
    /// Only `id`, for an opaque id.
    public func spellings(ofUpstreamID id: String) -> [String] { [id] }
}

/// The context that every call to an upstream gets.
public struct CallContext: Sendable {
    /// Sent as the upstream's correlation id (`client-request-id`), and logged.
    public var requestID: String
    /// The caller's own upstream token, if it gave one.
    public var authorization: Secret?
    /// The caller's own token for the hosts that serve files, if it gave one. Only set for a caller's own request for a file;
    /// kept nowhere.
    public var downloadAuthorization: Secret?
    /// The store of the export's refresh token. Nil where the connection keeps none, and where the call is a caller's own
    /// request.
    public var refreshToken: (any RefreshTokenStore)?
    /// Called before the first byte of a call that may start a job is sent. When it throws, nothing is sent. It may be called
    /// again, when the call is repeated because its token was refused.
    public var willStart: (@Sendable () async throws(ProviderError) -> Void)?
    /// Called when such a call has certainly started nothing and will be repeated, because its token was refused. The call then
    /// waits for another token and another place in the request budget, before `willStart`.
    public var didNotStart: (@Sendable () async -> Void)?
    /// How urgent the work is: the class in which its calls wait for a place in the request budget.
    public var priority = CallPriority.caller
    /// The caller whose export the work is for; callers take turns for the budget's places. Nil for work that is for many.
    public var caller: String?
    /// How many places the caller gets for each place of a caller with weight 1, where both wait. At least 1.
    public var weight = 1
    /// The callers whose exports each reference is for, where one poll is for the exports of many: they take turns for its calls.
    public var owners: [UpstreamReference: [CallerShare]] = [:]
    /// How long further calls of one poll for many exports are begun: the caller with the first turn may get the next one before
    /// all others have had theirs. Nil sets no bound.
    public var roundLimit: Duration?
    /// What the work is for: the exports of one caller take turns, and work that is sent back keeps its place. Nil keeps none.
    public var work: PacedWork?
    /// The series of calls that this call belongs to, if any.
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

/// A create request that was found valid.
public struct ValidatedExport: Sendable {
    public var plan: ExportPlan
    /// The secrets, which are sent upstream and written nowhere, by their JSON Pointers within the options object.
    public var secrets: [String: Secret]

    /// Makes the outcome of a validation.
    public init(plan: ExportPlan, secrets: [String: Secret] = [:]) {
        self.plan = plan
        self.secrets = secrets
    }
}

/// What is to be exported, in a form that may be stored: it holds no secret.
public struct ExportPlan: Sendable, Hashable, Codable {
    /// The options in normal form, without secrets: the `source` of the export, and the input of `submit`.
    public var source: JSONValue
    /// The export's name when the caller gave none.
    public var suggestedName: String
    /// The caller's own storage, when the files are written there: the container's address without its token.
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

/// Identifies the job of an export upstream, also after a crash.
public struct SubmissionMarker: Sendable, Hashable {
    public var exportID: ExportID
    /// The name that the caller gave to the export, or the plan's suggestion.
    public var exportName: String
    /// When the first attempt to start it was stored. An older job is not this export's.
    public var notBefore: Timestamp
    /// The same moment by the upstream's own clock, or a little earlier; nil where that was unknown then.
    public var upstreamNotBefore: Timestamp?

    /// Makes a marker.
    public init(exportID: ExportID, exportName: String, notBefore: Timestamp, upstreamNotBefore: Timestamp? = nil) {
        self.exportID = exportID
        self.exportName = exportName
        self.notBefore = notBefore
        self.upstreamNotBefore = upstreamNotBefore
    }

    /// The text to put into a free text field of the upstream's job: `export-gateway:<id>`.
    public var text: String { "export-gateway:\(exportID)" }
}

/// Names a job upstream. Stored in the ledger; holds no secret.
public struct UpstreamReference: Sendable, Hashable, Codable {
    /// The upstream's own id of the job.
    public var id: String
    /// What else the adapter needs to find the job: its case, its workspace, its report.
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
    /// What the upstream's answer already said of the job.
    public var observation: Observation?

    /// Makes a record of a start.
    public init(reference: UpstreamReference, observation: Observation? = nil) {
        self.reference = reference
        self.observation = observation
    }
}

/// What the upstream said of a job when it was polled.
public struct Observation: Sendable, Hashable {
    /// The status in the gateway's terms; `unknown` for any value never seen before.
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
    /// How the job is replaced where it does not end, or failed; nil where a new job would be no better.
    public var replacement: JobReplacement?
    /// How long the upstream asks to wait before the next poll.
    public var pollAfter: Duration?

    /// Makes an observation; the other values are set as far as the upstream sends them.
    public init(_ status: ExportStatus, upstreamStatus: String) {
        self.status = status
        self.upstreamStatus = upstreamStatus
    }
}

/// When a job is given up for a new one. For upstreams whose jobs fail, or stop for good, at random, while another job of the same
/// export succeeds (`Upstream-Intune, Stuck jobs`). The job that is given up is not stopped: its file is for nobody.
public struct JobReplacement: Sendable, Hashable {
    /// A job of this age that has not ended is replaced. One that failed is replaced at any age.
    public var age: Duration
    /// The most jobs of one export, the first included. The last one is not replaced.
    public var mostJobs: Int

    /// Makes a rule for one export's jobs.
    public init(age: Duration, mostJobs: Int) {
        self.age = age
        self.mostJobs = mostJobs
    }
}
