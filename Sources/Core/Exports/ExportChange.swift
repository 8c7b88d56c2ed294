/// One visible change of an export: it was created, or got another revision. It has the state after the change.
public struct ExportChange: Sendable, Hashable {
    /// Its place in the order of all changes: greater than that of every change that was committed before.
    public var position: Int64
    public var exportID: ExportID
    /// The caller who owns the export.
    public var createdBy: String
    /// The export's revision after the change.
    public var revision: Int64
    public var status: ExportStatus
    public var percentComplete: Int?
    /// Whether the export had ended after the change.
    public var isFinal: Bool
    /// Whether the export ended with this change, or the kind of its end changed: it was not final before, or had another status. Nil
    /// where that is not known: a version that did not store it has made the change.
    public var ends: Bool?
    /// Why it ended, or what delayed it.
    public var code: ProblemCode?
    /// The time of the change: the export's `updatedAt`.
    public var time: Timestamp

    /// Makes the change that gave an export its present revision, which had the state `before` until then; nil for a new export.
    public init(position: Int64, _ export: Export, after before: Export?) {
        self.init(position: position, export)
        ends = export.isFinal && !(before.map { $0.isFinal && $0.status == export.status } ?? false)
    }

    /// Makes the change that gave an export its present revision. Whether the export ended with it is not known.
    public init(position: Int64, _ export: Export) {
        self.position = position
        exportID = export.id
        createdBy = export.createdBy
        revision = export.revision
        status = export.status
        percentComplete = export.percentComplete
        isFinal = export.isFinal
        code = export.error?.code ?? export.notice?.code
        time = export.updatedAt
    }

    /// Makes the change with which an export was purged; it had `revision` before.
    public init(position: Int64, purging tombstone: ExportTombstone, revision: Int64) {
        self.init(
            position: position,
            exportID: tombstone.id,
            createdBy: tombstone.createdBy,
            revision: revision + 1,
            status: tombstone.status,
            percentComplete: nil,
            isFinal: true,
            ends: false,
            code: .exportPurged,
            time: tombstone.purgedAt
        )
    }

    /// Whether the export was purged with this change: it is the last one of the export.
    public var isPurge: Bool { code == .exportPurged }

    /// Makes a change.
    public init(
        position: Int64,
        exportID: ExportID,
        createdBy: String,
        revision: Int64,
        status: ExportStatus,
        percentComplete: Int?,
        isFinal: Bool,
        ends: Bool? = nil,
        code: ProblemCode?,
        time: Timestamp
    ) {
        self.position = position
        self.exportID = exportID
        self.createdBy = createdBy
        self.revision = revision
        self.status = status
        self.percentComplete = percentComplete
        self.isFinal = isFinal
        self.ends = ends
        self.code = code
        self.time = time
    }
}

/// Changes in their order.
public struct ChangePage: Sendable, Hashable {
    public var changes: [ExportChange]
    /// Everything up to this position was read: the next page begins after it.
    public var through: Int64
    /// Whether there are more, because the limit was reached.
    public var hasMore: Bool
    /// Whether a change is missing, because its row cannot be read or is not stored any more.
    public var isIncomplete: Bool

    /// Makes a page.
    public init(changes: [ExportChange], through: Int64, hasMore: Bool, isIncomplete: Bool = false) {
        (self.changes, self.through, self.hasMore, self.isIncomplete) = (changes, through, hasMore, isIncomplete)
    }
}

/// Which changes are stored.
public struct ChangeRange: Sendable, Hashable {
    /// The position of the oldest change that is stored; nil where none is.
    public var first: Int64?
    /// The position of the last change that was committed; 0 where there was none.
    public var last: Int64

    /// Makes a range.
    public init(first: Int64?, last: Int64) { (self.first, self.last) = (first, last) }

    /// Whether every change after `position` is stored. False for a position that no change has had yet: it is of another ledger.
    public func hasAll(after position: Int64) -> Bool {
        guard (0...last).contains(position) else { return false }
        return first.map { position >= $0 - 1 } ?? (position == last)
    }
}

/// The changes of all exports, in the order in which they were committed: what event streams and webhooks follow.
public protocol ChangeService: Sendable {
    /// Which changes are stored, with everything that was committed before the call.
    func changeRange() async throws(GatewayError) -> ChangeRange

    /// The changes after `position`, at most `limit`. None is passed over: `isIncomplete` says where one is missing, because it cannot
    /// be read or is not stored any more.
    func changes(after position: Int64, limit: Int) async throws(GatewayError) -> ChangePage

    /// An export with every change that was committed before the call. Throws `notFound` for an unknown export, and for one that
    /// the viewer may not see, and `exportPurged` for one that was purged.
    func presentExport(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export

    /// The export after a change: with the revision of the change, or a higher one. Nil where its row cannot be read. Throws
    /// `exportPurged` with the tombstone (``GatewayError/tombstone``) where the export was purged since.
    func export(after change: ExportChange) async throws(GatewayError) -> Export?

    /// Calls `tell` whenever there may be new changes, on any thread, which it must not block, until the observation is ended.
    func onChanges(_ tell: @escaping @Sendable () -> Void) -> ChangeObservation
}
