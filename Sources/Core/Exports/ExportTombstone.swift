/// What is left of an export that was purged: who may learn of it, how it had ended, and when. It holds nothing of what was exported.
public struct ExportTombstone: Sendable, Hashable {
    public var id: ExportID
    public var provider: ProviderID
    /// The connection that it ran on.
    public var connection: String
    /// The caller who had created it. Whoever could see the export may learn of its tombstone.
    public var createdBy: String
    /// The status that it had in the end.
    public var status: ExportStatus
    /// When it had ended.
    public var completedAt: Timestamp
    public var purgedAt: Timestamp
    /// The upstream's id of its job: the job stays bound to this export, and is not taken for another one's.
    public var job: String?

    /// Makes a tombstone.
    public init(
        id: ExportID,
        provider: ProviderID,
        connection: String,
        createdBy: String,
        status: ExportStatus,
        completedAt: Timestamp,
        purgedAt: Timestamp,
        job: String? = nil
    ) {
        self.id = id
        self.provider = provider
        self.connection = connection
        self.createdBy = createdBy
        self.status = status
        self.completedAt = completedAt
        self.purgedAt = purgedAt
        self.job = job
    }
}

/// Why an export is not purged. The raw value is in problem documents and in a metric's label.
public enum PurgeObstacle: String, Sendable, Hashable, CaseIterable {
    /// It has not ended, or is still polled for its files.
    case unfinished
    /// Somebody keeps it (`PUT /exports/{id}/retain`).
    case retained
    /// It may have a job upstream that nobody knows of: an operator has to decide about its start first.
    case unconfirmedStart
    /// A file of it is being sent or measured.
    case deliveryUnderWay
    /// A webhook was not told of all its changes, or has messages of it that are neither delivered nor given up.
    case webhooksBehind
    /// A request with its idempotency key is still answered with it.
    case idempotencyKey
    /// Its row cannot be read.
    case unreadable
    /// Another transaction works on it at this moment.
    case busy
    /// A replica of a version that knows no tombstones is registered.
    case olderReplica
}
