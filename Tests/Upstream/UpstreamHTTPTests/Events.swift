import Synchronization

/// What happened, in its order; tests wait for it in place of sleeping.
final class Events<Element: Sendable>: Sendable {
    private struct State {
        var all: [Element] = []
        var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    var all: [Element] { state.withLock { $0.all } }

    /// Notes an event and tells how many came before it.
    @discardableResult
    func add(_ element: Element) -> Int {
        let (index, ready) = state.withLock { state in
            state.all.append(element)
            let ready = state.waiters.filter { $0.count <= state.all.count }
            state.waiters.removeAll { $0.count <= state.all.count }
            return (state.all.count - 1, ready)
        }
        for waiter in ready { waiter.continuation.resume() }
        return index
    }

    /// Returns once `count` events have come.
    func reach(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.all.count >= count { return true }
                state.waiters.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }
}
