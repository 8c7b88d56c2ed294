public import Exports

/// One change of an export that callers could see: that it was created, or that it got another revision.
///
/// It tells what became of the export then, so that whoever follows exports can be told of each change in turn, also when they
/// come back later. The rest is read from the export, which may have changed again.
public struct ExportEvent: Sendable, Hashable {
    /// Its place: greater than that of every change that was committed before. Some numbers may be nobody's.
    public var sequence: Int64
    public var exportID: ExportID
    /// The caller whose export it is.
    public var createdBy: String
    /// The export's revision since then.
    public var revision: Int64
    public var status: ExportStatus
    public var percentComplete: Int?
    /// Whether the export had ended then.
    public var isFinal: Bool
    /// Why it ended as it did, or what held it up.
    public var code: ProblemCode?
    /// When it was changed: the export's `updatedAt`.
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

/// What stands at one place in the order of changes.
public enum RecordedEvent: Sendable, Hashable {
    case change(ExportEvent)
    /// What stands here cannot be read. Whoever follows exports must be told that a change is missing.
    case unreadable(sequence: Int64)

    public var sequence: Int64 {
        switch self {
        case .change(let event): event.sequence
        case .unreadable(let sequence): sequence
        }
    }
}
