public import JSON

/// What the HTTP API asks of the engine: everything that a caller can do with exports.
///
/// Every method throws only `GatewayError`, ready to be shown.
///
/// An export that the viewer may not see is `notFound`, like an export that does not exist. The call does nothing about it, and
/// reveals nothing of it. An export that was purged is `exportPurged`, with its tombstone, for every viewer who could see it.
public protocol ExportService: ChangeService {
    /// The providers and the connections configured for each.
    var providers: [ConfiguredProvider] { get }

    /// Whether exports can be created and read: the ledger answers. Never depends on an upstream.
    func isReady() async -> Bool

    /// Accepts an export of the viewer's. It is validated and stored when this returns, and started later. Throws `exportPurged`
    /// where a request with the same idempotency key has created an export that was purged since.
    func create(_ draft: ExportDraft, for viewer: Viewer) async throws(GatewayError) -> Creation

    /// Accepts an export like `create`, without a task. `run` is called once, on any thread, with the rest of the work, which it
    /// has to carry out; that ends with a call of `then`. Nothing is cancelled.
    ///
    /// Returns false where `create` has to be called, and does nothing then: the export is refused, or its viewer brought a
    /// token, or the service has no such way.
    func create(
        _ draft: ExportDraft,
        for viewer: Viewer,
        on run: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void,
        then: @escaping @Sendable (Result<Creation, GatewayError>) -> Void
    ) -> Bool

    /// An export as the gateway knows it. The owner's token is kept in memory for the calls that follow. An export that waits
    /// for a token goes on, unless this token was refused a moment ago.
    ///
    /// With `refresh`, the upstream is polled first. Callers at the same time share one call, and at most one call is made in
    /// each minimum poll interval. If it fails, the export is returned as known, and `stale`. Where the connection runs on
    /// callers' tokens, the upstream is polled for the owner only; for others the export is returned as known.
    func export(
        _ id: ExportID,
        for viewer: Viewer,
        refresh: Bool
    ) async throws(GatewayError) -> Export

    /// The export if it is in memory, as `export` without a token and without `refresh` would return it. Returns at once: the
    /// ledger is not read. Nil where it is not in memory, and for an export that the viewer may not see; `export` tells these apart.
    func snapshot(of id: ExportID, for viewer: Viewer) -> ExportSnapshot?

    /// Finds an export like `snapshot`, and reads the ledger where it is not in memory. Calls `then` once, on any thread. It gets
    /// nil for an unknown export, for one that the viewer may not see, and where it cannot be read; `export` tells these apart.
    func find(_ id: ExportID, for viewer: Viewer, then: @escaping @Sendable (ExportSnapshot?) -> Void)

    /// Calls `then` once, on any thread, as soon as the export's revision is higher than `revision`, or the export is settled.
    /// It gets the export as it is then, or nil when nothing will change any more because the gateway stops. After `cancel` it is
    /// not called, unless it is being called at that moment. Returns nil where a service has no such watch;
    /// `export(_:for:changedFrom:within:)` waits then.
    func watch(
        _ id: ExportID,
        beyond revision: Int64,
        then: @escaping @Sendable (Export?) -> Void
    ) -> (any ExportWatch)?

    /// Returns as soon as the export's revision differs from `revision`, or it is settled, or after `timeout`.
    func export(
        _ id: ExportID,
        for viewer: Viewer,
        changedFrom revision: Int64,
        within timeout: Duration
    ) async throws(GatewayError) -> Export

    /// One page of the exports that the viewer may see, newest first.
    func exports(
        matching filter: ExportFilter,
        for viewer: Viewer,
        before: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> ExportPage

    /// Stops an export: upstream where that is possible, otherwise only its tracking here. `cancellation` says which.
    /// An export that has already ended is returned unchanged. Throws `forbidden` where the job would have to be canceled
    /// upstream with the owner's token, and the caller is not the owner.
    func cancel(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export

    /// Decides the outcome of an unconfirmed start, where the upstream does not say it. The decision is carried out, and logged
    /// with the caller who made it. The same decision once more changes nothing.
    ///
    /// Throws `submissionKnown` for an export whose start is not in question, `upstreamIDInUse` where another export has the
    /// job, `invalidExport` for an id that is malformed or that the upstream does not know, and `preconditionFailed` when
    /// `revision` is given and the export has another one. The upstream is asked for the id with the connection's own
    /// credential, or with the owner's token. Without either of them, it is checked later.
    func resolve(
        _ id: ExportID,
        for viewer: Viewer,
        as decision: SubmissionDecision,
        revision: Int64?
    ) async throws(GatewayError) -> Export

    /// Keeps an export, or ends that. Nothing of an export that is kept is purged. Whether it has ended does not matter. What is
    /// so already is returned unchanged. It is logged with the caller who asked for it.
    func setRetained(_ isRetained: Bool, _ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export

    /// Purges an export that has ended: it and everything that is stored of it are deleted, except for its tombstone. It is logged
    /// with the caller who asked for it.
    ///
    /// Throws `notPurgeable` with the obstacle (`ProblemMembers.obstacle`), and deletes nothing, where there is one.
    func purge(_ id: ExportID, for viewer: Viewer) async throws(GatewayError)

    /// Opens the file, or the part of it that `range` names if the upstream serves parts. The head says what came. Throws
    /// `notReady`, `noResult`, `deliveredElsewhere`, `expired` or `notFound` where there is nothing to download, and the
    /// upstream's error where it failed. One answer that the file is missing proves little: the upstream is polled for the job,
    /// and asked once more for the file if the job is still there. A file that is missing only for the moment is
    /// `upstreamUnavailable`.
    ///
    /// Where the connection runs on callers' tokens, the owner's call uses the token that it brings, or the last one that was
    /// kept. Another caller's call uses only the token that it brings. Throws `upstreamAuthorizationRequired` where there is
    /// none.
    func open(
        _ fileID: String,
        of id: ExportID,
        for viewer: Viewer,
        range: FileRange?
    ) async throws(GatewayError) -> FileBody

    /// Takes a place for one more download of a caller, where several replicas share the limit. Nil where the caller has `limit`
    /// places already. A service that is alone always has one.
    func downloadPlace(of caller: String, limit: Int) async throws(GatewayError) -> DownloadPlace?

    /// Stores that a delivery begins (`underWay`), and later, with the same id, how it ended and what it found of the files
    /// (`readings`). Sizes and digests in the export's record are claimed by one reading and confirmed by another that agrees.
    /// Readings that differ drop or replace them. A whole delivery of a whole file without `readings` counts as a reading. Never
    /// throws: what cannot be stored is logged, because a download goes on without its row.
    func record(_ delivery: Delivery) async

    /// Stores that a delivery by a ticket begins, as `record` does. False where it could not be stored, or where another delivery is
    /// stored as the same use of the ticket: nothing may be sent then.
    func beginUse(_ delivery: Delivery) async -> Bool

    /// The deliveries that are uses of a ticket, in the order of their numbers, at most `limit`.
    func uses(
        of ticket: ExportID,
        export id: ExportID,
        limit: Int
    ) async throws(GatewayError) -> [Delivery]

    /// Whether the files of an export can be read only with a caller's own upstream token.
    func needsCallerToken(for export: Export) -> Bool

    /// One page of an export's deliveries, oldest first. With `requestID`, only the deliveries of that request. Throws `notFound`
    /// for an unknown export.
    func deliveries(
        of id: ExportID,
        for viewer: Viewer,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> DeliveryPage
}

extension ExportService {
    /// Always a place.
    public func downloadPlace(of caller: String, limit: Int) async throws(GatewayError) -> DownloadPlace? {
        DownloadPlace()
    }

    /// A service without this way.
    public func create(
        _ draft: ExportDraft,
        for viewer: Viewer,
        on run: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void,
        then: @escaping @Sendable (Result<Creation, GatewayError>) -> Void
    ) -> Bool { false }

    /// A service without snapshots in memory finds none.
    public func snapshot(of id: ExportID, for viewer: Viewer) -> ExportSnapshot? { nil }

    public func find(_ id: ExportID, for viewer: Viewer, then: @escaping @Sendable (ExportSnapshot?) -> Void) {
        then(nil)
    }

    public func watch(
        _ id: ExportID,
        beyond revision: Int64,
        then: @escaping @Sendable (Export?) -> Void
    ) -> (any ExportWatch)? { nil }
}

/// A watch for the next change of an export.
public protocol ExportWatch: Sendable {
    /// Ends the watch. It must be called, and may be called more than once.
    func cancel()
}

/// The part of a create request that is the same for every provider.
public struct ExportDraft: Sendable {
    public var provider: ProviderID
    /// The connection's name; nil picks the provider's only one.
    public var connection: String?
    public var name: String?
    /// The provider's options object, not validated.
    public var options: JSONValue
    public var idempotency: Idempotency?

    /// Makes a draft.
    public init(
        provider: ProviderID,
        connection: String? = nil,
        name: String? = nil,
        options: JSONValue,
        idempotency: Idempotency? = nil
    ) {
        self.provider = provider
        self.connection = connection
        self.name = name
        self.options = options
        self.idempotency = idempotency
    }
}

/// The options may hold secrets until they have been validated, so they are not printed.
extension ExportDraft: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "ExportDraft(\(provider))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// An operator's decision about a start whose outcome is unknown.
public enum SubmissionDecision: Sendable, Hashable {
    /// The upstream has started it: this is the id of the job.
    case started(upstreamID: String)
    /// The upstream has not: it is started again.
    case notStarted
    /// The outcome stays unknown: the export ends as canceled.
    case abandoned
}

/// Identifies a repeated create request. Each caller has its own keys.
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
    /// The snapshots, with the forms in which they were sent before.
    public var snapshots: [ExportSnapshot]
    /// Whether older exports match too.
    public var hasMore: Bool
    /// How many were left out because their rows cannot be read.
    public var unreadable: Int
    /// The export before which the next page begins, if there is more. A page at whose end exports cannot be read has fewer
    /// exports than were asked for, or none.
    public var next: ExportID?

    /// Makes a page. Without `next`, the next one begins before its last export.
    public init(snapshots: [ExportSnapshot], hasMore: Bool, unreadable: Int = 0, next: ExportID? = nil) {
        self.snapshots = snapshots
        self.hasMore = hasMore
        self.unreadable = unreadable
        self.next = hasMore ? next ?? snapshots.last?.export.id : nil
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
