/// The limits and intervals of the engine. The defaults fit the upstreams that there are.
public struct EngineSettings: Sendable, Hashable {
    /// The wait before the engine looks for a job that may have been started. It doubles from attempt to attempt.
    public var reconcileDelay: Duration = .seconds(10)
    /// The longest wait between two attempts, before the deadline: with the default budget of eDiscovery, one costs a fifth
    /// of a minute's calls.
    public var maximumReconcileInterval: Duration = .seconds(600)
    /// How long the engine looks for the job of an unconfirmed start before it gives the export up. One day, because the
    /// upstreams list jobs within minutes, keep files for a day or longer, and end their incidents within hours. After that
    /// there are four attempts in each further period of this length, until eight periods have passed.
    public var reconcileDeadline: Duration = .seconds(24 * 3600)
    /// How long a start that the upstream defers is retried.
    public var submissionDeadline: Duration = .seconds(3600)
    /// How often an export is started again because the upstream was too busy (`Upstream-PowerBI, Status`).
    public var resubmissionLimit = 3
    /// The longest wait between two polls, unless the upstream asks for another.
    public var maximumPollInterval: Duration = .seconds(60)
    /// How long an export with an unknown status is polled.
    public var unknownBound: Duration = .seconds(3600)
    /// How long a job is tracked in all.
    public var trackingDeadline: Duration = .seconds(48 * 3600)
    /// How long the upstream may say that a job does not exist before its tracking ends, or before the files of a success count
    /// as expired. Some of the upstream's servers may not know the job yet, or not for a while.
    public var missingBound: Duration = .seconds(900)
    /// How long a job that has succeeded counts as running while the upstream does not list its files.
    public var fileLagBound: Duration = .seconds(60)
    /// The longest wait between two polls for these files in that time, and the shortest wait after it.
    public var fileLagInterval: Duration = .seconds(5)
    /// The longest wait between two polls for files that are still not listed. The wait is an eighth of the time since the
    /// success, up to this.
    public var longestFileLagInterval: Duration = .seconds(600)
    /// How long the engine polls for files that are not listed, where the upstream does not say how long it keeps them.
    public var longestFileLag: Duration = .seconds(14 * 86_400)
    /// How many calls that start, cancel or reconcile jobs run at the same time on a connection, and how many polls, where the
    /// provider cannot poll many with one call.
    public var callsAtOnce = 4
    /// How long a task waits for the place of a start, a poll or a reconciliation in the request budget. When it takes longer,
    /// the work is released until its place comes. That does not count as a failure of the export.
    public var budgetWait: Duration = .seconds(5)
    /// How long a request with `Cache-Control: no-cache` waits for the poll, its place in the request budget included, before
    /// it is answered with the known state.
    public var refreshWait: Duration = .seconds(5)
    /// How long a call to cancel waits for the upstream's answer before it says `requested`.
    public var cancelWait: Duration = .seconds(10)
    /// How long a request that brought the token that an export waited for waits for the outcome, before it is answered with the
    /// known state.
    public var authorizationWait: Duration = .seconds(10)
    /// How long a refused token of a caller does not resume the same export. After that a permission may have been granted.
    public var refusedTokenPause: Duration = .seconds(60)
    /// How many snapshots are kept in memory, ready to be sent. With 0, each request reads the ledger.
    public var snapshotLimit = 10_000
    /// How many turns a caller gets for each turn of a caller with weight 1, where both wait for a call. 1 for callers that are
    /// not listed. At least 1. `ExportEngine.takeWeights` changes it.
    public var callerWeights: [String: Int] = [:]
    /// How long a replica's registration is valid unless it is renewed, where several replicas share the ledger. It is renewed four
    /// times in that time, so that another replica takes over after this time and a quarter of it at the latest.
    public var leaseDuration: Duration = .seconds(10)
    /// How long a lease that is handed over waits for the calls that are under way.
    public var handOverWait: Duration = .seconds(20)
    /// After how long the state of an export that has not ended is read again from a shared ledger: another replica may have polled
    /// it, without a change that it tells the others.
    public var sharedSnapshotLifetime: Duration = .seconds(2)
    /// How often a replica looks for exports of its leases that it does not work on.
    public var sweepInterval: Duration = .seconds(60)
    /// What is purged, and when. By default nothing.
    public var retention = RetentionSettings()
    /// How long an idempotency key is kept.
    public var idempotencyLifetime: Duration = .seconds(24 * 3600)

    /// The defaults.
    public init() {}
}
