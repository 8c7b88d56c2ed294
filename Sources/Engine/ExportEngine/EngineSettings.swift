/// The bounds and paces of the engine. The defaults fit the three upstreams.
public struct EngineSettings: Sendable, Hashable {
    /// The wait before a job that may have been started is looked for; it doubles from look to look.
    public var reconcileDelay: Duration = .seconds(10)
    /// The longest wait between two looks, before the deadline: with the default budget of eDiscovery, a look costs a fifth
    /// of a minute's calls.
    public var maximumReconcileInterval: Duration = .seconds(600)
    /// For how long a start that may have happened is looked for before the export is given up. A day: the upstreams list
    /// within minutes, keep files for a day or longer, and their incidents end within hours. After that it is looked for four
    /// times in each further such time, until eight of them have passed.
    public var reconcileDeadline: Duration = .seconds(24 * 3600)
    /// For how long a start that the upstream puts off is tried again.
    public var submissionDeadline: Duration = .seconds(3600)
    /// How often an export is started anew because the upstream was too busy (`Upstream-PowerBI, Status`).
    public var resubmissionLimit = 3
    /// The longest wait between two polls, where the upstream names none.
    public var maximumPollInterval: Duration = .seconds(60)
    /// For how long a status that we do not understand is polled.
    public var unknownBound: Duration = .seconds(3600)
    /// For how long a job is tracked in all.
    public var trackingDeadline: Duration = .seconds(48 * 3600)
    /// For how long the upstream may say that a job does not exist before its tracking ends, or before the files of one that had
    /// succeeded count as expired: some of its servers may not know it yet, or for a while.
    public var missingBound: Duration = .seconds(900)
    /// For how long a job that has succeeded counts as running, while the upstream does not list its files.
    public var fileLagBound: Duration = .seconds(60)
    /// The longest wait between two questions for them in that time, and the shortest one after it.
    public var fileLagInterval: Duration = .seconds(5)
    /// The longest wait between two questions for files that are still not listed: an eighth of the time since the success,
    /// up to this.
    public var longestFileLagInterval: Duration = .seconds(600)
    /// For how long files that are not listed are looked for, where the upstream does not say how long it would keep them.
    public var longestFileLag: Duration = .seconds(14 * 86_400)
    /// How many calls that start, cancel or look for jobs run at the same time on a connection; and how many polls,
    /// where the provider has no call for many at once.
    public var callsAtOnce = 4
    /// How long a start, a poll or a look for a job waits for its place in the request budget, while a task holds it; when it
    /// takes longer, it comes back when its place comes. That is no failure of the export's.
    public var budgetWait: Duration = .seconds(5)
    /// How long a question with `Cache-Control: no-cache` waits for newer word, its place in the request budget included,
    /// before it is answered with what is known.
    public var refreshWait: Duration = .seconds(5)
    /// How long a call to cancel waits for the upstream's answer before it says `requested`.
    public var cancelWait: Duration = .seconds(10)
    /// How long a question that brought the token an export waited for waits for what comes of it, before it is answered
    /// with what is known.
    public var authorizationWait: Duration = .seconds(10)
    /// For how long a caller's token that was refused does not set the same export going again: a right may have been
    /// granted since.
    public var refusedTokenPause: Duration = .seconds(60)
    /// Of how many exports the visible state is kept in memory, ready to be sent; 0 reads the ledger for each question.
    public var snapshotLimit = 10_000
    /// How many turns a caller gets for one of another, where both wait for a call; 1 for whoever is not in here. At least 1.
    public var callerWeights: [String: Int] = [:]
    /// How long an idempotency key is remembered.
    public var idempotencyLifetime: Duration = .seconds(24 * 3600)

    /// The defaults.
    public init() {}

    func weight(of caller: String) -> Int { max(1, callerWeights[caller] ?? 1) }
}
