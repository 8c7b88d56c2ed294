import Synchronization

/// What the calls of one piece of work know of each other: the pages of a list, a list and what it leaves open.
///
/// Once the first of its calls has been made, the others wait for their place in a request budget for as long as that takes,
/// within a bound, and before work that has not begun: work that began anew each time its second call has to wait would never
/// end.
public final class CallSeries: Sendable {
    private struct State {
        var order: UInt64?
        var waited = Duration.zero
        var count = 0
    }

    private let state = Mutex(State())

    /// Makes the series of a piece of work of which no call was made yet.
    public init() {}

    /// The order in which series began, within one budget; nil before the first call.
    public var order: UInt64? { state.withLock { $0.order } }

    /// For how long its calls have waited for their places in all.
    public var waited: Duration { state.withLock { $0.waited } }

    /// How many of its calls were made within a budget.
    public var count: Int { state.withLock { $0.count } }

    /// A call is made after a wait. The first one gives the series its order.
    public func calls(_ order: UInt64, after wait: Duration) {
        state.withLock { state in
            state.order = state.order ?? order
            state.waited += wait
            state.count += 1
        }
    }
}
