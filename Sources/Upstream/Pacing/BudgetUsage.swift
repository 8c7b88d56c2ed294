public import Exports

/// The usage of a budget at a moment.
public struct BudgetUsage: Sendable, Hashable {
    /// The most calls in the budget's time at present: fewer than configured for a while after a 429. Nil without a budget.
    public var limit: Int?
    /// The places that are taken now.
    public var used: Int
    /// The calls of each class that have no place yet.
    public var queueLength: [CallPriority: Int]
    /// How long a caller's call would wait for a place.
    public var nextPlaceIn: Duration

    /// Makes a record of the usage.
    public init(limit: Int?, used: Int, queueLength: [CallPriority: Int], nextPlaceIn: Duration) {
        (self.limit, self.used) = (limit, used)
        (self.queueLength, self.nextPlaceIn) = (queueLength, nextPlaceIn)
    }
}
