public import Exports

/// A call that needs a place in a budget.
public struct PacedCall: Sendable, Hashable {
    public var priority: CallPriority
    /// The host that is called. A hold of the host is for its own calls only.
    public var host: String
    /// The caller: callers take turns within a class.
    public var caller: String?
    /// How many calls of the caller are made for each call of a caller with weight 1.
    public var weight: Int
    /// The work: the exports of a caller take turns. Work keeps its place while it is sent back.
    public var work: PacedWork?
    /// The longest wait. The next start waits longer than that; see `BudgetState`.
    public var patience: Duration
    /// The order of the work under way that this call continues; nil for the first call of some work.
    public var continues: UInt64?

    /// Describes a call.
    public init(
        _ priority: CallPriority,
        host: String,
        caller: String? = nil,
        weight: Int = 1,
        work: PacedWork? = nil,
        patience: Duration,
        continues: UInt64? = nil
    ) {
        self.priority = priority
        self.host = host
        self.caller = caller
        self.weight = max(1, weight)
        self.work = work
        self.patience = patience
        self.continues = continues
    }
}
