public import Audit
public import Exports

/// Everything that is stored of one export: the state that clients see, and the state of the work on it.
///
/// Holds no secret.
public struct LedgerRecord: Sendable, Hashable {
    /// The phase of the work on an export.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// Stored. Nothing was sent upstream that could have started a job.
        case accepted
        /// A call that starts a job is under way, or was when the process ended.
        case submitting
        /// The job is known upstream by its reference.
        case tracking
        /// Nothing more is done, except that a success expires.
        case settled
    }

    public var export: Export
    public var plan: ExportPlan
    public var phase: Phase
    /// The reference to the job upstream, from `tracking` on.
    public var reference: UpstreamReference?
    public var progress: ExportProgress
    /// The due time of the next step; nil when there is none.
    public var nextActionAt: Timestamp?
    /// When `nextActionAt` was set. A time in the future means that the clock ran ahead, so `nextActionAt` is wrong too.
    public var scheduledAt: Timestamp?
    /// When the first attempt of the present submission was stored: the marker's `notBefore`.
    public var submittingSince: Timestamp?
    /// The same moment by the upstream's own clock, where that was known.
    public var upstreamSubmittingSince: Timestamp?
    /// Whether there is an open cancel request.
    public var cancelWished: Bool
    /// The readings of deliveries that may still agree with later ones.
    public var readings: [KeptReading]
    /// The fencing token. It grows whenever the export is taken over. A write-back with another number changes nothing.
    public var fence: Int64
    /// The engine that works on the export; nil where no engine has taken it over since leases are stored.
    public var leaseOwner: String?
    /// How often the export was leased to an engine; 0 when it never was.
    public var leaseEpoch: Int64
    /// An entry of the audit trail about what is changed here: it is stored in the transaction that stores the record, or not at all.
    /// Not a part of what is stored: every record that was read has none, and so has every one that was written.
    public var auditEntry: AuditEntry?

    /// Makes the record of an export that has just been accepted, and that `leaseOwner` starts at once.
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

    /// Leases the export to an engine.
    public mutating func lease(to owner: String) {
        guard owner != leaseOwner else { return }
        leaseOwner = owner
        leaseEpoch += 1
    }

    /// What drives the export, derived from the state of the work. `export.tracking` is set to this after each change.
    public var tracking: Tracking? { Tracking(phase: phase, awaitsAuthorization: progress.awaitsAuthorization) }

    /// Whether it may have a job upstream that it is not bound to: its start is under way, or was never confirmed. This also
    /// holds for an export that was given up, was canceled or will be started again, until it is bound to a job, or an operator
    /// decides that it was not started.
    public var mayHaveUnknownJob: Bool { phase == .submitting || progress.recoveringSince != nil }

    /// Whether the ledger was restored from a backup while the export was not settled, and no operator has said since what became of
    /// its start. A start since the backup is in nobody's memory, so the gateway makes none.
    public var isOfBackup: Bool { progress.decision == ExportProgress.decisionAwaited }

    /// Whether nothing is done for the export until an operator decides about its start.
    public var isHeld: Bool { isOfBackup && (phase == .accepted || phase == .submitting) }

    /// Identifies the job upstream.
    public var marker: SubmissionMarker {
        SubmissionMarker(
            exportID: export.id,
            exportName: export.name,
            notBefore: submittingSince ?? export.createdAt,
            upstreamNotBefore: upstreamSubmittingSince
        )
    }
}

/// The counts and times that decide the next step.
public struct ExportProgress: Sendable, Hashable {
    /// Calls that could have started a job.
    public var submissionAttempts = 0
    /// How often the export was started again because the upstream was too busy, or its job failed or did not end.
    public var resubmissions = 0
    /// How often a reconciliation did not find the job.
    public var reconcileMisses = 0
    /// Whether the upstream accepted the present start without saying the job's id.
    public var startIsAccepted = false
    /// An operator's last decision about an unconfirmed start, or `decisionAwaited`.
    public var decision: String?
    /// Polls since the last start.
    public var polls = 0
    /// Failures in a row of the present step.
    public var failures = 0
    /// Since when the upstream says that the job does not exist.
    public var missingSince: Timestamp?
    /// Polls of a finished job whose files were not listed yet.
    public var fileLagAttempts = 0
    /// Since when the upstream says that the job succeeded, but lists no files for it.
    public var filesPendingSince: Timestamp?
    /// Since when the upstream, asked for files, knows neither the files nor the job.
    public var filesMissingSince: Timestamp?
    /// How many seconds in all the gateway's own request budget has held the work on the export back. No deadline runs then.
    public var heldSeconds = 0
    /// How many of these came after the upstream's last answer.
    public var heldSecondsSinceAnswer = 0
    /// Calls that asked the upstream to cancel.
    public var cancelAttempts = 0
    /// Whether a failed cancel must be followed by a poll before it is retried.
    public var observeBeforeCancel = false
    /// Why the upstream refused the last cancel request.
    public var cancelRefusal: ExportFailure?
    /// Whether nothing is done until a caller brings an upstream token.
    public var awaitsAuthorization = false
    /// Since when the export waits for its (next) start.
    public var acceptedSince: Timestamp
    /// Since when the start is unconfirmed and reconciled.
    public var recoveringSince: Timestamp?
    /// Since when it is tracked, resubmissions included.
    public var trackingSince: Timestamp?
    /// Since when the upstream's status is unknown.
    public var unknownSince: Timestamp?

    /// The `decision` of an export of a ledger that was restored from a backup, until an operator has decided.
    public static let decisionAwaited = "awaitedAfterRestore"

    /// A change of `heldSeconds` by this much or more is written at once, so that a kill loses less.
    public static let mostUnwrittenHeldSeconds = 450

    /// Nothing done yet.
    public init(acceptedSince: Timestamp) {
        self.acceptedSince = acceptedSince
    }
}

/// What one delivery found of a file.
public struct KeptReading: Sendable, Hashable, Codable {
    public var fileID: String
    /// The delivery. No two readings of one file have the same one.
    public var delivery: ExportID
    /// The length of the plain file; nil where it is only known to be longer than what was claimed then.
    public var size: Int64?
    /// Lower-case hexadecimal SHA-256, where the whole file was read.
    public var sha256: String?

    /// Makes a reading.
    public init(fileID: String, delivery: ExportID, size: Int64?, sha256: String?) {
        self.fileID = fileID
        self.delivery = delivery
        self.size = size
        self.sha256 = sha256
    }
}

extension OtherExports.Unconfirmed {
    /// What other exports must know about one that may have an unknown job.
    public init(_ record: LedgerRecord) {
        self.init(
            plan: record.plan,
            marker: record.marker,
            isRepeated: record.progress.recoveringSince != nil && record.progress.submissionAttempts > 1
        )
    }
}

extension Tracking {
    /// Nil for a settled record.
    init?(phase: LedgerRecord.Phase, awaitsAuthorization: Bool) {
        guard phase != .settled else { return nil }
        self = awaitsAuthorization ? .onRequest : .background
    }
}
