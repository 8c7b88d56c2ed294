/// How a request budget stands at a moment: served at `GET /providers`.
public struct BudgetStatus: Sendable, Hashable {
    public var provider: ProviderID
    /// The connections that share it.
    public var connections: [String]
    public var budget: RequestBudget
    /// The calls that are made at most in the budget's time now: fewer than `budget` for a while after a 429.
    public var limit: Int
    /// The places that are taken now.
    public var used: Int
    /// The calls of each class that have no place yet.
    public var queueLength: [CallPriority: Int]
    /// When a caller's call would find a place.
    public var nextPlaceIn: Duration

    /// Makes a record.
    public init(
        provider: ProviderID,
        connections: [String],
        budget: RequestBudget,
        limit: Int,
        used: Int,
        queueLength: [CallPriority: Int],
        nextPlaceIn: Duration
    ) {
        self.provider = provider
        self.connections = connections
        self.budget = budget
        self.limit = limit
        self.used = used
        self.queueLength = queueLength
        self.nextPlaceIn = nextPlaceIn
    }
}
