/// The times within which replicas that share a budget do their part. All are times that pass, so that the clocks of two
/// replicas need not show the same.
public enum BudgetLimits {
    /// How long a message between replicas is on its way. What comes later is not used.
    public static let message = Duration.seconds(5)
    /// How long after its grant a call may be sent. A place that another replica gave is not used after that, and the place of a
    /// leader not after it has lost the lease.
    public static let unsent = Duration.seconds(5)
    /// How long after it was sent a call reaches the upstream: the time limit for connecting (`UpstreamTransport`).
    public static let way = Duration.seconds(5)
    /// How long after it was sent a call has its answer, or is given up: `UpstreamRequest.timeout`, doubled.
    public static let call = Duration.seconds(60)
    /// How often a replica repeats that it waits for a place; the first time after a second.
    public static let `repeat` = Duration.seconds(5)
    /// After how long without a repetition the leader drops a call that waits.
    public static let unheard = Duration.seconds(20)
    /// How many calls of one replica wait with the leader of a budget.
    public static let asks = 1024
    /// How many ended asks are kept, so that a message that comes twice does no harm.
    static let endedAsks = 4096
    /// How long the leader keeps its answer to an ask.
    static let answer = Duration.seconds(30)
    /// How many places a leader tells its follower in the lease: one message does not hold more.
    static let handedOver = 400
}
