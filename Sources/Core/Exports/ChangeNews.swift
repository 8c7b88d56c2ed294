import Synchronization

/// Tells its observers that there may be new changes: of this process, and of other replicas.
package final class ChangeNews: Sendable {
    private struct State {
        var observers: [UInt64: @Sendable () -> Void] = [:]
        var lastKey: UInt64 = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// Calls `tell` until the observation is ended.
    package func observe(_ tell: @escaping @Sendable () -> Void) -> ChangeObservation {
        let key = state.withLock { state in
            state.lastKey += 1
            state.observers[state.lastKey] = tell
            return state.lastKey
        }
        return ChangeObservation { self.state.withLock { _ = $0.observers.removeValue(forKey: key) } }
    }

    package func tell() {
        for tell in state.withLock({ Array($0.observers.values) }) { tell() }
    }
}

/// An observer of changes that was added.
public struct ChangeObservation: Sendable {
    private let remove: @Sendable () -> Void

    /// Makes an observation that `remove` ends.
    public init(_ remove: @escaping @Sendable () -> Void) { self.remove = remove }

    /// Removes the observer. It may be told once more, where it is being told at that moment.
    public func end() { remove() }
}
