/// The state of a request budget at a moment, as `GET /providers` serves it.
public struct BudgetStatus: Sendable, Hashable {
    public var provider: ProviderID
    /// The connections that share it.
    public var connections: [String]
    public var budget: RequestBudget
    /// The most calls in the budget's time at present: fewer than `budget` allows for a while after a 429.
    public var limit: Int
    /// The places that are taken now.
    public var used: Int
    /// The calls of each class that have no place yet.
    public var queueLength: [CallPriority: Int]
    /// How long a caller's call would wait for a place.
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
