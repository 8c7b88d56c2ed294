import Exports

extension LedgerRecord {
    /// The value of a column in the record's row.
    package func value(of column: ExportColumn) throws -> StoredValue {
        switch column {
        case .id: StoredValue(export.id.description)
        case .provider: StoredValue(export.provider.rawValue)
        case .connection: StoredValue(export.connection)
        case .name: StoredValue(export.name)
        case .status: StoredValue(export.status.rawValue)
        case .percentComplete: StoredValue(export.percentComplete)
        case .createdAt: StoredValue(export.createdAt)
        case .updatedAt: StoredValue(export.updatedAt)
        case .completedAt: StoredValue(export.completedAt)
        case .expiresAt: StoredValue(export.expiresAt)
        case .observedAt: StoredValue(export.observedAt)
        case .stale: StoredValue(export.stale)
        case .createdBy: StoredValue(export.createdBy)
        case .retainedAt: StoredValue(export.retainedAt)
        case .source: StoredValue(JSONText.write(export.source))
        case .files: try StoredValue(export.files.isEmpty ? "[]" : JSONText.write(export.files))
        case .destination: StoredValue(export.destination)
        case .cancellation: StoredValue(export.cancellation?.rawValue)
        case .error: try StoredValue(export.error.map(JSONText.write))
        case .notice: try StoredValue(export.notice.map(JSONText.write))
        case .upstream: try StoredValue(export.upstream.map(JSONText.write))
        case .revision: StoredValue(export.revision)
        case .plan: StoredValue(JSONText.write(plan))
        case .phase: StoredValue(phase.rawValue)
        case .reference: try StoredValue(reference.map(JSONText.write))
        case .nextActionAt: StoredValue(nextActionAt)
        case .scheduledAt: StoredValue(scheduledAt)
        case .submittingSince: StoredValue(submittingSince)
        case .upstreamSubmittingSince: StoredValue(upstreamSubmittingSince)
        case .cancelWished: StoredValue(cancelWished)
        case .fence: StoredValue(fence)
        case .leaseOwner: StoredValue(leaseOwner)
        case .leaseEpoch: StoredValue(leaseEpoch)
        case .submissionAttempts: StoredValue(progress.submissionAttempts)
        case .resubmissions: StoredValue(progress.resubmissions)
        case .reconcileMisses: StoredValue(progress.reconcileMisses)
        case .polls: StoredValue(progress.polls)
        case .failures: StoredValue(progress.failures)
        case .missingSince: StoredValue(progress.missingSince)
        case .startIsAccepted: StoredValue(progress.startIsAccepted)
        case .decision: StoredValue(progress.decision)
        case .fileLagAttempts: StoredValue(progress.fileLagAttempts)
        case .cancelAttempts: StoredValue(progress.cancelAttempts)
        case .observeBeforeCancel: StoredValue(progress.observeBeforeCancel)
        case .cancelRefusal: try StoredValue(progress.cancelRefusal.map(JSONText.write))
        case .awaitsAuthorization: StoredValue(progress.awaitsAuthorization)
        case .acceptedSince: StoredValue(progress.acceptedSince)
        case .recoveringSince: StoredValue(progress.recoveringSince)
        case .trackingSince: StoredValue(progress.trackingSince)
        case .unknownSince: StoredValue(progress.unknownSince)
        case .readings: try StoredValue(readings.isEmpty ? nil : JSONText.write(readings))
        case .filesPendingSince: StoredValue(progress.filesPendingSince)
        case .filesMissingSince: StoredValue(progress.filesMissingSince)
        case .heldSeconds: StoredValue(progress.heldSeconds)
        case .heldSecondsSinceAnswer: StoredValue(progress.heldSecondsSinceAnswer)
        }
    }

    /// The columns of the table `export`, without the id, in which this record differs from `earlier`, with their new values.
    package func changes(since earlier: LedgerRecord) throws -> [(column: ExportColumn, value: StoredValue)] {
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

    /// Reads a row of all columns. Throws `LedgerError` (`corrupt`) for values that no version ever wrote.
    package init(_ row: some StoredRow) throws {
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
    fileprivate init(_ row: some StoredRow) throws {
        guard let phase = Self(rawValue: row[.phase]) else { throw JSONText.unreadable("phase") }
        self = phase
    }
}

extension Export {
    /// Reads a row of the columns that lists need.
    package init(_ row: some StoredRow) throws {
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
        retainedAt = row.time(.retainedAt)
        tracking = Tracking(phase: try LedgerRecord.Phase(row), awaitsAuthorization: row[.awaitsAuthorization])
    }
}
