import Synchronization

/// Whether the client of a connection is still there: Hummingbird does not notify a handler that waits.
final class PeerPresence: Sendable {
    private struct State {
        var isGone = false
        var nextID = 0
        var waiting: [Int: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    /// The client will send nothing more: it closed the connection, or its half of it.
    func leave() {
        let waiting = state.withLock { state in
            state.isGone = true
            defer { state.waiting = [:] }
            return state.waiting.values.map { $0 }
        }
        for tell in waiting { tell() }
    }

    /// Runs `body`. `tell` is called once if the client leaves while it runs, or at once if it has already left.
    func whileHere<Value: Sendable>(
        onLeave tell: @escaping @Sendable () -> Void,
        _ body: () async throws -> Value
    ) async rethrows -> Value {
        let id = state.withLock { state -> Int? in
            if state.isGone { return nil }
            state.nextID += 1
            state.waiting[state.nextID] = tell
            return state.nextID
        }
        defer { if let id { state.withLock { state in state.waiting[id] = nil } } }
        if id == nil { tell() }
        return try await body()
    }
}
