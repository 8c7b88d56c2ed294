public import Exports

/// A call that wants a place in a budget.
public struct PacedCall: Sendable {
    public var priority: CallPriority
    /// Which host is called: what it asks for, a hold, is for its own calls.
    public var host: String
    /// For whom: calls of one class are made for each caller in turn.
    public var caller: String?
    /// How many of the caller's calls are made for one of another with the weight 1.
    public var weight: Int
    /// For what: calls for one caller are made for each of its exports in turn. Keeps its place while it is sent back.
    public var work: PacedWork?
    /// The longest wait. A start that is next waits longer than that; see `BudgetState`.
    public var patience: Duration
    /// The order of the piece of work that this call goes on with; nil for the first call of one.
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
