import Synchronization

/// What happened, in its order. Tests wait for it instead of looking again and again.
public final class Events<Element: Sendable>: Sendable {
    private struct Waiter {
        var isReached: @Sendable ([Element]) -> Bool
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var all: [Element] = []
        var waiters: [Waiter] = []
    }

    private let state = Mutex(State())

    /// Nothing has happened yet.
    public init() {}

    /// Everything so far.
    public var all: [Element] { state.withLock { $0.all } }

    /// Notes an event. Returns how many came before it.
    @discardableResult
    public func add(_ element: Element) -> Int {
        let (index, ready) = state.withLock { state in
            state.all.append(element)
            let all = state.all
            let ready = state.waiters.filter { $0.isReached(all) }
            state.waiters.removeAll { $0.isReached(all) }
            return (all.count - 1, ready)
        }
        for waiter in ready { waiter.continuation.resume() }
        return index
    }

    /// Returns once `count` events have come.
    public func reach(_ count: Int) async { await wait { $0.count >= count } }

    /// Returns once `isReached` holds for the events that have come. It is asked again after each event.
    public func wait(until isReached: @escaping @Sendable ([Element]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if isReached(state.all) { return true }
                state.waiters.append(Waiter(isReached: isReached, continuation: continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }
}
