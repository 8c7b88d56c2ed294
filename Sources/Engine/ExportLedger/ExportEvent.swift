public import Exports

/// One visible change of an export: it was created, or got another revision.
///
/// It has the export's state after the change, so that a client that follows exports gets each change in order, also when it
/// comes back later. Everything else is read from the export, which may have changed again.
public struct ExportEvent: Sendable, Hashable {
    /// Its sequence number: greater than that of every change that was committed before. Some numbers may be unused.
    public var sequence: Int64
    public var exportID: ExportID
    /// The caller who owns the export.
    public var createdBy: String
    /// The export's revision after the change.
    public var revision: Int64
    public var status: ExportStatus
    public var percentComplete: Int?
    /// Whether the export had ended after the change.
    public var isFinal: Bool
    /// Why it ended, or what delayed it.
    public var code: ProblemCode?
    /// The time of the change: the export's `updatedAt`.
    public var time: Timestamp

    /// Makes the event of an export's present revision.
    public init(sequence: Int64, _ export: Export) {
        self.sequence = sequence
        exportID = export.id
        createdBy = export.createdBy
        revision = export.revision
        status = export.status
        percentComplete = export.percentComplete
        isFinal = export.isFinal
        code = export.error?.code ?? export.notice?.code
        time = export.updatedAt
    }

    init(
        sequence: Int64,
        exportID: ExportID,
        createdBy: String,
        revision: Int64,
        status: ExportStatus,
        percentComplete: Int?,
        isFinal: Bool,
        code: ProblemCode?,
        time: Timestamp
    ) {
        self.sequence = sequence
        self.exportID = exportID
        self.createdBy = createdBy
        self.revision = revision
        self.status = status
        self.percentComplete = percentComplete
        self.isFinal = isFinal
        self.code = code
        self.time = time
    }
}

/// One entry in the order of changes.
public enum RecordedEvent: Sendable, Hashable {
    case change(ExportEvent)
    /// The entry cannot be read. A client that follows exports must be told that a change is missing.
    case unreadable(sequence: Int64)

    public var sequence: Int64 {
        switch self {
        case .change(let event): event.sequence
        case .unreadable(let sequence): sequence
        }
    }
}
