import Synchronization

/// The calls of one piece of work, such as the pages of a list, or a list and the single reads that it leaves open.
///
/// Once the first call has been made, the others wait for their place in a request budget for as long as that takes, within a
/// bound. They come before work that has not begun. Otherwise work whose second call has to wait would begin again each time, and
/// never end.
public final class CallSeries: Sendable {
    private struct State {
        var order: UInt64?
        var waited = Duration.zero
        var count = 0
    }

    private let state = Mutex(State())

    /// Makes the series of a piece of work before its first call.
    public init() {}

    /// The order in which series began, within one budget; nil before the first call.
    public var order: UInt64? { state.withLock { $0.order } }

    /// How long all its calls together have waited for their places.
    public var waited: Duration { state.withLock { $0.waited } }

    /// How many of its calls were made within a budget.
    public var count: Int { state.withLock { $0.count } }

    /// Records that a call is made after a wait. The first call gives the series its order.
    public func calls(_ order: UInt64, after wait: Duration) {
        state.withLock { state in
            state.order = state.order ?? order
            state.waited += wait
            state.count += 1
        }
    }
}
