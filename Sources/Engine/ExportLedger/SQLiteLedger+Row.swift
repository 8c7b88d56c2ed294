import Exports
import GRDB

extension LedgerRecord {
    /// The value of a column in the record's row.
    func value(of column: ExportColumn) throws -> DatabaseValue {
        switch column {
        case .id: export.id.description.databaseValue
        case .provider: export.provider.rawValue.databaseValue
        case .connection: export.connection.databaseValue
        case .name: export.name.databaseValue
        case .status: export.status.rawValue.databaseValue
        case .percentComplete: export.percentComplete.databaseValue
        case .createdAt: export.createdAt.databaseValue
        case .updatedAt: export.updatedAt.databaseValue
        case .completedAt: export.completedAt.databaseValue
        case .expiresAt: export.expiresAt.databaseValue
        case .observedAt: export.observedAt.databaseValue
        case .stale: export.stale.databaseValue
        case .createdBy: export.createdBy.databaseValue
        case .source: JSONText.write(export.source).databaseValue
        case .files: try (export.files.isEmpty ? "[]" : JSONText.write(export.files)).databaseValue
        case .destination: export.destination.databaseValue
        case .cancellation: (export.cancellation?.rawValue).databaseValue
        case .error: try export.error.map(JSONText.write).databaseValue
        case .notice: try export.notice.map(JSONText.write).databaseValue
        case .upstream: try export.upstream.map(JSONText.write).databaseValue
        case .revision: export.revision.databaseValue
        case .plan: JSONText.write(plan).databaseValue
        case .phase: phase.rawValue.databaseValue
        case .reference: try reference.map(JSONText.write).databaseValue
        case .nextActionAt: nextActionAt.databaseValue
        case .scheduledAt: scheduledAt.databaseValue
        case .submittingSince: submittingSince.databaseValue
        case .upstreamSubmittingSince: upstreamSubmittingSince.databaseValue
        case .cancelWished: cancelWished.databaseValue
        case .fence: fence.databaseValue
        case .leaseOwner: leaseOwner.databaseValue
        case .leaseEpoch: leaseEpoch.databaseValue
        case .submissionAttempts: progress.submissionAttempts.databaseValue
        case .resubmissions: progress.resubmissions.databaseValue
        case .reconcileMisses: progress.reconcileMisses.databaseValue
        case .polls: progress.polls.databaseValue
        case .failures: progress.failures.databaseValue
        case .missingSince: progress.missingSince.databaseValue
        case .startIsAccepted: progress.startIsAccepted.databaseValue
        case .decision: progress.decision.databaseValue
        case .fileLagAttempts: progress.fileLagAttempts.databaseValue
        case .cancelAttempts: progress.cancelAttempts.databaseValue
        case .observeBeforeCancel: progress.observeBeforeCancel.databaseValue
        case .cancelRefusal: try progress.cancelRefusal.map(JSONText.write).databaseValue
        case .awaitsAuthorization: progress.awaitsAuthorization.databaseValue
        case .acceptedSince: progress.acceptedSince.databaseValue
        case .recoveringSince: progress.recoveringSince.databaseValue
        case .trackingSince: progress.trackingSince.databaseValue
        case .unknownSince: progress.unknownSince.databaseValue
        case .readings: try (readings.isEmpty ? nil : JSONText.write(readings)).databaseValue
        case .filesPendingSince: progress.filesPendingSince.databaseValue
        case .filesMissingSince: progress.filesMissingSince.databaseValue
        case .heldSeconds: progress.heldSeconds.databaseValue
        case .heldSecondsSinceAnswer: progress.heldSecondsSinceAnswer.databaseValue
        }
    }

    /// The columns of the table `export`, without the id, in which this record differs from `earlier`, with their new values.
    func changes(since earlier: LedgerRecord) throws -> [(column: ExportColumn, value: DatabaseValue)] {
        try ExportColumn.ofExport.dropFirst()
            .compactMap { column in
                if isSameValue(of: column, in: earlier) == true { return nil }
                let value = try value(of: column)
                return value == (try earlier.value(of: column)) ? nil : (column, value)
            }
    }

    /// Whether a structured value is the same, compared without encoding it; nil for all other columns.
    private func isSameValue(of column: ExportColumn, in earlier: LedgerRecord) -> Bool? {
        switch column {
        case .files: export.files == earlier.export.files
        case .error: export.error == earlier.export.error
        case .notice: export.notice == earlier.export.notice
        case .upstream: export.upstream == earlier.export.upstream
        case .reference: reference == earlier.reference
        case .cancelRefusal: progress.cancelRefusal == earlier.progress.cancelRefusal
        case .readings: readings == earlier.readings
        default: nil
        }
    }

    /// Reads a row of ``ExportColumn/selectOne``. Throws `LedgerError` (`corrupt`) for values that no version ever wrote.
    init(_ row: ExportRow) throws {
        self.init(export: try Export(row), plan: try JSONText.plan(row.requested(.plan)))
        phase = try Phase(row)
        reference = try JSONText.reference(row[.reference])
        nextActionAt = row.time(.nextActionAt)
        scheduledAt = row.time(.scheduledAt)
        submittingSince = row.time(.submittingSince)
        upstreamSubmittingSince = row.time(.upstreamSubmittingSince)
        cancelWished = row[.cancelWished]
        fence = row[.fence]
        leaseOwner = row[.leaseOwner]
        leaseEpoch = row[.leaseEpoch]
        progress = ExportProgress(acceptedSince: Timestamp(milliseconds: row[.acceptedSince]))
        progress.submissionAttempts = row[.submissionAttempts]
        progress.resubmissions = row[.resubmissions]
        progress.reconcileMisses = row[.reconcileMisses]
        progress.polls = row[.polls]
        progress.failures = row[.failures]
        progress.missingSince = row.time(.missingSince)
        progress.startIsAccepted = row[.startIsAccepted]
        progress.decision = row[.decision]
        progress.fileLagAttempts = row[.fileLagAttempts]
        progress.cancelAttempts = row[.cancelAttempts]
        progress.observeBeforeCancel = row[.observeBeforeCancel]
        progress.cancelRefusal = try JSONText.readOptional(row[.cancelRefusal], "cancel_refusal")
        progress.awaitsAuthorization = row[.awaitsAuthorization]
        progress.recoveringSince = row.time(.recoveringSince)
        progress.trackingSince = row.time(.trackingSince)
        progress.unknownSince = row.time(.unknownSince)
        readings = try JSONText.readOptional(row[.readings], "readings") ?? []
        progress.filesPendingSince = row.time(.filesPendingSince)
        progress.filesMissingSince = row.time(.filesMissingSince)
        progress.heldSeconds = row[.heldSeconds]
        progress.heldSecondsSinceAnswer = row[.heldSecondsSinceAnswer]
        export.tracking = tracking
    }
}

extension LedgerRecord.Phase {
    fileprivate init(_ row: ExportRow) throws {
        guard let phase = Self(rawValue: row[.phase]) else { throw JSONText.unreadable("phase") }
        self = phase
    }
}

extension Export {
    /// Reads a row of ``ExportColumn/selectOne`` or ``ExportColumn/selectListed``.
    init(_ row: ExportRow) throws {
        guard let id = ExportID(row[.id] as String) else { throw JSONText.unreadable("id") }
        guard let status = ExportStatus(rawValue: row[.status]) else { throw JSONText.unreadable("status") }
        self.init(
            id: id,
            provider: ProviderID(row[.provider]),
            connection: row[.connection],
            name: row[.name],
            createdAt: Timestamp(milliseconds: row[.createdAt]),
            createdBy: row[.createdBy],
            source: try JSONText.value(row.requested(.source), "source")
        )
        self.status = status
        percentComplete = row[.percentComplete]
        updatedAt = Timestamp(milliseconds: row[.updatedAt])
        completedAt = row.time(.completedAt)
        expiresAt = row.time(.expiresAt)
        observedAt = row.time(.observedAt)
        stale = row[.stale]
        files = try JSONText.files(row[.files])
        destination = row[.destination]
        cancellation = (row[.cancellation] as String?).flatMap(Cancellation.init(rawValue:))
        error = try JSONText.failure(row[.error])
        notice = try JSONText.notice(row[.notice])
        upstream = try JSONText.upstream(row[.upstream])
        revision = row[.revision]
        tracking = Tracking(phase: try LedgerRecord.Phase(row), awaitsAuthorization: row[.awaitsAuthorization])
    }
}

extension Row {
    func time(_ column: String) -> Timestamp? {
        (self[column] as Int64?).map(Timestamp.init(milliseconds:))
    }
}

extension Timestamp {
    fileprivate var databaseValue: DatabaseValue { milliseconds.databaseValue }
}

extension Timestamp? {
    fileprivate var databaseValue: DatabaseValue { (self?.milliseconds).databaseValue }
}
