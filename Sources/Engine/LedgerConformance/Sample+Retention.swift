import ExportLedger
import Exports

extension Sample {
    /// A record of an export that ended at `end`, and has a job.
    static func ended(
        _ seconds: Int = 0,
        _ status: ExportStatus = .failed,
        at end: Int = 10,
        provider: String = "power-bi",
        job: String? = nil
    ) -> LedgerRecord {
        var record = record(seconds, provider: provider)
        record.phase = .settled
        record.export.status = status
        record.export.completedAt = time(end)
        record.export.updatedAt = time(end)
        (record.nextActionAt, record.scheduledAt) = (nil, nil)
        record.reference = job.map { UpstreamReference(id: $0) }
        record.export.tracking = record.tracking
        return record
    }

    /// What is left of such an export.
    static func tombstone(of record: LedgerRecord, at seconds: Int) -> ExportTombstone {
        ExportTombstone(
            id: record.export.id,
            provider: record.export.provider,
            connection: record.export.connection,
            createdBy: record.export.createdBy,
            status: record.export.status,
            completedAt: record.export.completedAt ?? epoch,
            purgedAt: time(seconds),
            job: record.reference?.id
        )
    }
}

extension RetentionStore {
    /// Purges an export long after the window of every key.
    func purge(_ id: ExportID, at seconds: Int = 100) async throws -> PurgeOutcome {
        try await purge(id, at: Sample.time(seconds), claimsSince: Sample.time(seconds))
    }

    /// One batch of the exports of Power BI that failed before a time.
    func purgeFailed(
        before seconds: Int = 1_000,
        after place: EndedExports.Place? = nil,
        limit: Int = 100,
        claimsSince: Int = 1_000
    ) async throws -> PurgePage {
        let failed = EndedExports(provider: ProviderID("power-bi"), status: .failed, before: Sample.time(seconds))
        return try await purge(
            failed,
            at: Sample.time(2_000),
            claimsSince: Sample.time(claimsSince),
            after: place,
            limit: limit
        )
    }
}
