import Exports

extension LedgerRecord {
    /// What of the record itself stands in the way of purging it; nil where nothing does.
    package var purgeObstacle: PurgeObstacle? {
        if export.retainedAt != nil { return .retained }
        // Whatever may still change is not deleted.
        guard phase == .settled, export.completedAt != nil, export.isFinal else { return .unfinished }
        // Other exports must not take its job for theirs.
        return mayHaveUnknownJob ? .unconfirmedStart : nil
    }

    /// What is left of the export when it is purged. Only for a record without an obstacle.
    package func tombstone(at now: Timestamp) -> ExportTombstone {
        ExportTombstone(
            id: export.id,
            provider: export.provider,
            connection: export.connection,
            createdBy: export.createdBy,
            status: export.status,
            completedAt: export.completedAt ?? export.updatedAt,
            purgedAt: now,
            job: reference?.id
        )
    }
}

/// The limits of a batch.
package enum PurgeLimits {
    /// An export that brings the deliveries of a batch to more than this is the last one of it.
    package static let deliveries = 5_000
    /// With more changes than this that an enabled webhook has not read, nothing is purged: they are not searched.
    package static let unreadChanges = 20_000
}
