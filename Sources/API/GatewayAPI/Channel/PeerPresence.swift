import Synchronization

/// Whether the client of a connection is still there, and whether the server is: Hummingbird does not notify a handler that waits.
final class PeerPresence: Sendable {
    private struct State {
        var isGone = false
        var isStopping = false
        var nextID = 0
        var waiting: [Int: @Sendable () -> Void] = [:]
        var waitingForStop: [Int: @Sendable () -> Void] = [:]
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

    /// The server begins to stop.
    func stop() {
        let waiting = state.withLock { state in
            state.isStopping = true
            defer { state.waitingForStop = [:] }
            return state.waitingForStop.values.map { $0 }
        }
        for tell in waiting { tell() }
    }

    /// Calls `leaves` once when the client leaves, and `stops` once when the server begins to stop; at once, where that has happened.
    /// `end` must follow. For a wait that is to keep no call in memory for this.
    func watch(leaves: @escaping @Sendable () -> Void, stops: @escaping @Sendable () -> Void) -> Int {
        let (id, isGone, isStopping) = state.withLock { state in
            state.nextID += 1
            if !state.isGone { state.waiting[state.nextID] = leaves }
            if !state.isStopping { state.waitingForStop[state.nextID] = stops }
            return (state.nextID, state.isGone, state.isStopping)
        }
        if isGone { leaves() }
        if isStopping { stops() }
        return id
    }

    func end(_ id: Int) {
        state.withLock { state in
            state.waiting[id] = nil
            state.waitingForStop[id] = nil
        }
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
