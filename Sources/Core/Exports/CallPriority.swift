/// How urgent a call to an upstream is: the class in which it waits for its place in a request budget.
public enum CallPriority: String, Sendable, Hashable, CaseIterable {
    /// A caller's own request waits for it: a download, a cancellation, a status that was asked for with `no-cache`.
    case caller
    /// It starts a job.
    case start
    /// It polls jobs in the background, or looks for one.
    case poll
}

/// The work that keeps its place in the queue of a request budget while its call is sent back, to come again later.
public enum PacedWork: Sendable, Hashable {
    /// The work on one export.
    case export(ExportID)
    /// One poll for several exports of a connection, named by the connection's name and provider.
    case polls(of: String, ProviderID)
}

/// A caller for whom a call is made, among others.
public struct CallerShare: Sendable, Hashable {
    public var caller: String
    /// How many turns the caller gets for each turn of a caller with weight 1.
    public var weight: Int

    /// Names a caller.
    public init(_ caller: String, weight: Int = 1) {
        (self.caller, self.weight) = (caller, max(1, weight))
    }
}

/// The place of a call that waits in the queue of a request budget.
public struct QueuePlace: Sendable, Hashable {
    /// 1 for the next one of its class.
    public var position: Int
    /// How long until its place comes, as far as it can be told now: others may come before it, or leave.
    public var estimatedWait: Duration

    /// Makes a record of a place.
    public init(position: Int, estimatedWait: Duration) {
        self.position = position
        self.estimatedWait = estimatedWait
    }
}
