public import Exports

/// Everything that is remembered of one export: what clients see, and what the work on it needs.
///
/// Holds no secret.
public struct LedgerRecord: Sendable, Hashable {
    /// How far the work on an export has come.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// Written down; nothing has been sent upstream that could have started a job.
        case accepted
        /// A call that starts a job is under way, or was when the process ended.
        case submitting
        /// The job is known upstream by its reference.
        case tracking
        /// Nothing more is done, but that a success expires.
        case settled
    }

    public var export: Export
    public var plan: ExportPlan
    public var phase: Phase
    /// Where the job is found upstream, from `tracking` on.
    public var reference: UpstreamReference?
    public var progress: ExportProgress
    /// When something is to be done next; nil when nothing is.
    public var nextActionAt: Timestamp?
    /// When `nextActionAt` was set. In the future, it was set by a clock that ran ahead, and so was `nextActionAt`.
    public var scheduledAt: Timestamp?
    /// When the first attempt of the present submission was written down: the marker's `notBefore`.
    public var submittingSince: Timestamp?
    /// The same moment by the upstream's own clock, where that was known.
    public var upstreamSubmittingSince: Timestamp?
    /// Whether somebody wished to cancel and the wish is still open.
    public var cancelWished: Bool
    /// What deliveries found of the files, as far as it may still agree with what later ones find.
    public var readings: [KeptReading]
    /// Grows whenever the export is taken over. A write-back that carries another number changes nothing.
    public var fence: Int64
    /// The engine that works on the export; nil where no engine has taken it over since this is written down.
    public var leaseOwner: String?
    /// How often the export was given to an engine; 0 when it never was.
    public var leaseEpoch: Int64

    /// Makes the record of an export that has just been accepted, to be started at once by `leaseOwner`.
    public init(export: Export, plan: ExportPlan, leaseOwner: String? = nil) {
        self.export = export
        self.plan = plan
        self.leaseOwner = leaseOwner
        leaseEpoch = leaseOwner == nil ? 0 : 1
        phase = .accepted
        progress = ExportProgress(acceptedSince: export.createdAt)
        nextActionAt = export.createdAt
        scheduledAt = export.createdAt
        cancelWished = false
        readings = []
        fence = 1
        self.export.tracking = tracking
    }

    /// Gives the export to an engine.
    public mutating func lease(to owner: String) {
        guard owner != leaseOwner else { return }
        leaseOwner = owner
        leaseEpoch += 1
    }

    /// What brings the export on, by what is remembered of the work: `export.tracking` is this after each change.
    public var tracking: Tracking? { Tracking(phase: phase, awaitsAuthorization: progress.awaitsAuthorization) }

    /// Whether it may have a job upstream that it is not bound to: its start is under way, or was never confirmed. So it is
    /// for an export that was given up, canceled or is to be started again, too, until it is bound to a job or somebody
    /// decides that it was not started.
    public var mayHaveUnknownJob: Bool { phase == .submitting || progress.recoveringSince != nil }

    /// How the job is recognised again upstream.
    public var marker: SubmissionMarker {
        SubmissionMarker(
            exportID: export.id,
            exportName: export.name,
            notBefore: submittingSince ?? export.createdAt,
            upstreamNotBefore: upstreamSubmittingSince
        )
    }
}

/// The counts and times that decide what is done next.
public struct ExportProgress: Sendable, Hashable {
    /// Calls that could have started a job.
    public var submissionAttempts = 0
    /// How often the upstream was too busy and the export was started anew.
    public var resubmissions = 0
    /// How often the job was looked for and not to be seen.
    public var reconcileMisses = 0
    /// Whether the upstream accepted the present start without telling the job's id.
    public var startIsAccepted = false
    /// What somebody last decided about a start that was not confirmed.
    public var decision: String?
    /// Polls since the last start.
    public var polls = 0
    /// Failures in a row of whatever is being tried.
    public var failures = 0
    /// Since when the upstream says that the job does not exist.
    public var missingSince: Timestamp?
    /// Polls of a finished job whose files were not listed yet.
    public var fileLagAttempts = 0
    /// Since when the upstream says that the job succeeded and lists no files for it.
    public var filesPendingSince: Timestamp?
    /// Since when the upstream, asked for files, says that it knows neither them nor the job.
    public var filesMissingSince: Timestamp?
    /// For how many seconds in all the gateway's own request budget has held the work on the export back: no deadline runs then.
    public var heldSeconds = 0
    /// How many of these came after the upstream's last answer.
    public var heldSecondsSinceAnswer = 0
    /// Calls that asked the upstream to cancel.
    public var cancelAttempts = 0
    /// Whether a failed cancel is to be followed by a poll before it is tried again.
    public var observeBeforeCancel = false
    /// Why the upstream refused the last wish to cancel.
    public var cancelRefusal: ExportFailure?
    /// Whether nothing is done until a caller brings an upstream token.
    public var awaitsAuthorization = false
    /// Since when the export waits for its (next) start.
    public var acceptedSince: Timestamp
    /// Since when a job that may have been started is looked for.
    public var recoveringSince: Timestamp?
    /// Since when it is tracked, resubmissions included.
    public var trackingSince: Timestamp?
    /// Since when the upstream says nothing that we understand.
    public var unknownSince: Timestamp?

    /// A change of `heldSeconds` by this much or more is written at once: a kill loses less.
    public static let mostUnwrittenHeldSeconds = 450

    /// Nothing done yet.
    public init(acceptedSince: Timestamp) {
        self.acceptedSince = acceptedSince
    }
}

/// What one delivery found of a file.
public struct KeptReading: Sendable, Hashable, Codable {
    public var fileID: String
    /// Which delivery: no two readings of one file have the same.
    public var delivery: ExportID
    /// The length of the plain file; nil where it is only known to be longer than what was claimed then.
    public var size: Int64?
    /// Lower-case hexadecimal SHA-256, where the whole file was read.
    public var sha256: String?

    /// Keeps a reading.
    public init(fileID: String, delivery: ExportID, size: Int64?, sha256: String?) {
        self.fileID = fileID
        self.delivery = delivery
        self.size = size
        self.sha256 = sha256
    }
}

extension OtherExports.Unconfirmed {
    /// What other exports have to know of one that may have an unknown job.
    public init(_ record: LedgerRecord) {
        self.init(
            plan: record.plan,
            marker: record.marker,
            isRepeated: record.progress.recoveringSince != nil && record.progress.submissionAttempts > 1
        )
    }
}

extension Tracking {
    /// Nil for a settled record, of which no more is done.
    init?(phase: LedgerRecord.Phase, awaitsAuthorization: Bool) {
        guard phase != .settled else { return nil }
        self = awaitsAuthorization ? .onRequest : .background
    }
}
