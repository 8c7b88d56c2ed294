public import JSON

/// What the HTTP face asks of the engine: everything a caller can do with exports.
///
/// Every method throws nothing but `GatewayError`, ready to be shown.
///
/// `owner` is the caller whose exports may be seen, nil where all may be. Another caller's export is `notFound`, as one that
/// does not exist, and nothing is done about it or learned from the call.
public protocol ExportService: Sendable {
    /// The providers and the connections configured for each.
    var providers: [ConfiguredProvider] { get }

    /// Whether exports can be taken and found: the ledger answers. Never depends on an upstream.
    func isReady() async -> Bool

    /// Accepts an export: validated and written down when this returns, started later.
    func create(_ draft: ExportDraft) async throws(GatewayError) -> Creation

    /// An export as it is known here. The owner's token is kept in memory for the calls that follow; an export that waits
    /// for one goes on, unless this one was refused a moment ago.
    ///
    /// With `refresh`, the upstream is asked first: callers at the same time share one call, and at most one is made
    /// in each minimum poll interval. If it fails, the export comes back as known, `stale`. Where the connection runs on
    /// callers' tokens, it is asked for the owner alone; for others the export comes back as known.
    func export(
        _ id: ExportID,
        owner: String?,
        refresh: Bool,
        authorization: CallerAuthorization
    ) async throws(GatewayError) -> Export

    /// The export where it is at hand, as `export` without a token and without `refresh` would give it. At once: nothing is
    /// read. Nil where it is not at hand, and for an export that `owner` may not see; `export` tells those apart.
    func snapshot(of id: ExportID, owner: String?) -> ExportSnapshot?

    /// Finds an export as `snapshot` does, in the ledger where it is not at hand, and tells `then`, once, on any thread: with nil
    /// for an unknown export, for one that `owner` may not see, and where it cannot be read; `export` tells those apart.
    func find(_ id: ExportID, owner: String?, then: @escaping @Sendable (ExportSnapshot?) -> Void)

    /// Tells `then` once, on any thread, as soon as the export's revision is higher than `revision` or it is settled: how it is
    /// then; nil when nothing is going to change any more, because the gateway stops. After `cancel` nothing is told, unless it
    /// is being told at that moment. Nil where a service has no such watch; `export(_:owner:changedFrom:within:)` waits then.
    func watch(
        _ id: ExportID,
        beyond revision: Int64,
        then: @escaping @Sendable (Export?) -> Void
    ) -> (any ExportWatch)?

    /// Returns as soon as the export's revision is another than `revision`, or it is settled, or after `timeout`.
    func export(
        _ id: ExportID,
        owner: String?,
        changedFrom revision: Int64,
        within timeout: Duration
    ) async throws(GatewayError) -> Export

    /// One page, newest first. The filter says whose.
    func exports(matching filter: ExportFilter, before: ExportID?, limit: Int) async throws(GatewayError) -> ExportPage

    /// Stops an export: upstream where that can be done, else its tracking here. `cancellation` says which.
    /// An export that already ended comes back unchanged. Throws `forbidden` where the job would have to be canceled
    /// upstream with the owner's token, and somebody else asks.
    func cancel(
        _ id: ExportID,
        owner: String?,
        authorization: CallerAuthorization
    ) async throws(GatewayError) -> Export

    /// Says what became of a start that is not confirmed, in the place of the upstream, which does not. The decision is
    /// carried out, and logged with who made it. The same decision once more changes nothing.
    ///
    /// Throws `submissionKnown` for an export whose start is not in question, `upstreamIDInUse` where another export has the
    /// job, `invalidExport` for an id that cannot be one or that the upstream does not know, `preconditionFailed` when the
    /// export has another revision than `revision` where one is given. Whether the upstream knows the id is asked with the
    /// connection's own rights, or with its owner's token; where there is neither, it is found out later.
    func resolve(
        _ id: ExportID,
        owner: String?,
        as decision: SubmissionDecision,
        revision: Int64?,
        authorization: CallerAuthorization
    ) async throws(GatewayError) -> Export

    /// The file, or the part of it that `range` names if the upstream serves parts, and its bytes from the upstream: the
    /// head says what came. Throws `notReady`, `noResult`, `deliveredElsewhere`, `expired` or
    /// `notFound` where there is nothing to be had, and what the upstream said where it failed. One answer that the file is
    /// not there means little: the upstream is asked for the job, and the file once more where the job stands; what is
    /// missing only for the moment is `upstreamUnavailable`.
    ///
    /// Where the connection runs on callers' tokens, the owner's call is made with the token that it brings, or the last one
    /// that was kept; anybody else's only with what it brings. Throws `upstreamAuthorizationRequired` where there is none.
    func open(
        _ fileID: String,
        of id: ExportID,
        owner: String?,
        range: FileRange?,
        authorization: CallerAuthorization
    ) async throws(GatewayError) -> FileBody

    /// Writes down that a delivery begins (`underWay`), and with the same id how it went and what it found of the files
    /// (`readings`): sizes and digests in the export's record are claimed by one reading, confirmed by another that agrees,
    /// dropped or replaced by those that differ. A whole delivery of a whole file without `readings` is a reading. Never
    /// throws: what cannot be written is logged, for a download goes on without its row.
    func record(_ delivery: Delivery) async

    /// One page of an export's deliveries, oldest first; of those of one request where `requestID` is given. Throws
    /// `notFound` for an unknown export.
    func deliveries(
        of id: ExportID,
        owner: String?,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> DeliveryPage
}

extension ExportService {
    /// Nothing is at hand where a service keeps nothing.
    public func snapshot(of id: ExportID, owner: String?) -> ExportSnapshot? { nil }

    public func find(_ id: ExportID, owner: String?, then: @escaping @Sendable (ExportSnapshot?) -> Void) { then(nil) }

    public func watch(
        _ id: ExportID,
        beyond revision: Int64,
        then: @escaping @Sendable (Export?) -> Void
    ) -> (any ExportWatch)? { nil }
}

/// Somebody who is to be told of the next change of an export.
public protocol ExportWatch: Sendable {
    /// Ends the watch; it must be called, and may be more than once.
    func cancel()
}

/// A create request, as far as it is the same for every provider.
public struct ExportDraft: Sendable {
    public var provider: ProviderID
    /// The connection's name; nil picks the provider's only one.
    public var connection: String?
    public var name: String?
    /// The provider's options object, not validated.
    public var options: JSONValue
    public var createdBy: String
    public var idempotency: Idempotency?
    /// The caller's own upstream token.
    public var authorization: Secret?

    /// Makes a draft.
    public init(
        provider: ProviderID,
        connection: String? = nil,
        name: String? = nil,
        options: JSONValue,
        createdBy: String,
        idempotency: Idempotency? = nil,
        authorization: Secret? = nil
    ) {
        self.provider = provider
        self.connection = connection
        self.name = name
        self.options = options
        self.createdBy = createdBy
        self.idempotency = idempotency
        self.authorization = authorization
    }
}

/// The options are as they came, and may hold secrets until they have been validated.
extension ExportDraft: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "ExportDraft(\(provider), by \(createdBy))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// What an operator has found out, or decides, about a start whose outcome is not known.
public enum SubmissionDecision: Sendable, Hashable {
    /// The upstream has started it: this is the job's id there.
    case started(upstreamID: String)
    /// The upstream has not: it is started again.
    case notStarted
    /// Nobody knows, or cares any more: the export ends as canceled.
    case abandoned
}

/// How a repeated create request is recognised; keys are each caller's own.
public struct Idempotency: Sendable, Hashable {
    public var key: String
    /// A digest of the request body in normal form.
    public var fingerprint: String

    /// Makes a key with the digest of what it was sent with.
    public init(key: String, fingerprint: String) {
        self.key = key
        self.fingerprint = fingerprint
    }
}

/// The outcome of a create request.
public struct Creation: Sendable {
    public var export: Export
    /// Whether the export had been created before, by a request with the same idempotency key.
    public var isReplay: Bool

    /// Makes an outcome.
    public init(export: Export, isReplay: Bool) {
        self.export = export
        self.isReplay = isReplay
    }
}

/// Which exports to list; nil takes all.
public struct ExportFilter: Sendable, Hashable {
    public var provider: ProviderID?
    public var status: ExportStatus?
    public var connection: String?
    /// The caller who created it.
    public var createdBy: String?
    /// Created at this time or later.
    public var createdAfter: Timestamp?
    /// Created before this time.
    public var createdBefore: Timestamp?

    /// A filter that takes every export.
    public init() {}
}

/// One page of exports, newest first.
public struct ExportPage: Sendable {
    /// What callers see of each, ready to be sent where it was sent before.
    public var snapshots: [ExportSnapshot]
    /// Whether older exports match too.
    public var hasMore: Bool
    /// How many were left out because their rows cannot be read.
    public var unreadable: Int
    /// Before which export the next page begins, where there is more. One that ends in a stretch of exports that cannot be read has
    /// fewer exports than were asked for, or none.
    public var next: ExportID?

    /// Makes a page. Without `next`, the next one begins before its last export.
    public init(snapshots: [ExportSnapshot], hasMore: Bool, unreadable: Int = 0, next: ExportID? = nil) {
        self.snapshots = snapshots
        self.hasMore = hasMore
        self.unreadable = unreadable
        self.next = hasMore ? next ?? snapshots.last?.export.id : nil
    }

    /// Makes a page of exports of which nothing was sent yet.
    public init(exports: [Export], hasMore: Bool, unreadable: Int = 0) {
        self.init(snapshots: exports.map { ExportSnapshot($0) }, hasMore: hasMore, unreadable: unreadable)
    }

    public var exports: [Export] { snapshots.map(\.export) }
}

/// A provider and the connections that are configured for it.
public struct ConfiguredProvider: Sendable {
    public var descriptor: ProviderDescriptor
    public var connections: [String]

    /// Makes a record; connections may be none.
    public init(descriptor: ProviderDescriptor, connections: [String]) {
        self.descriptor = descriptor
        self.connections = connections
    }
}
