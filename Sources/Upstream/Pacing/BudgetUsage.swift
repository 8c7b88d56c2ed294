public import Exports

/// How a budget stands at a moment.
public struct BudgetUsage: Sendable, Hashable {
    /// The calls that are made at most in the budget's time now: fewer than configured for a while after a 429. Nil without
    /// a budget.
    public var limit: Int?
    /// The places that are taken now.
    public var used: Int
    /// The calls of each class that have no place yet.
    public var queueLength: [CallPriority: Int]
    /// When a caller's call would find a place.
    public var nextPlaceIn: Duration
}
