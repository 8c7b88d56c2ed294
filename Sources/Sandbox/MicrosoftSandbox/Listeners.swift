import Synchronization

/// The servers of a sandbox.
enum Listener: Sendable, Hashable {
    case api
    case proxy
    case blob
    /// What `api` serves, over TLS.
    case secure

    var scheme: String { self == .secure ? "https" : "http" }
}

/// Where the servers listen, once they do; and who waits for that.
final class ListenerBook: Sendable {
    private struct State {
        var ports: [Listener: Int] = [:]
        var hasEnded = false
        var nextID = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var cancelled: Set<Int> = []

    }

    /// The servers that will listen.
    let expected: [Listener]
    private let host: String
    private let state = Mutex(State())

    init(host: String, expected: [Listener]) {
        self.host = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
        self.expected = expected
    }

    func port(of listener: Listener) -> Int { state.withLock { $0.ports[listener] ?? 0 } }

    func address(of listener: Listener) -> String { "\(listener.scheme)://\(host):\(port(of: listener))" }

    func isListening(_ listener: Listener, port: Int) {
        wake { $0.ports[listener] = port }
    }

    /// Nobody needs to wait any longer: no listener will come.
    func end() {
        wake { $0.hasEnded = true }
    }

    /// Returns when all listen, when none will any more, or when the task is cancelled.
    func settled() async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if isSettled(state) || state.cancelled.contains(id) { return true }
                    state.waiting[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.cancelled.insert(id)
                return state.waiting.removeValue(forKey: id)
            }
            waiter?.resume()
        }
    }

    private func isSettled(_ state: State) -> Bool { state.hasEnded || state.ports.count == expected.count }

    private func wake(_ change: (inout State) -> Void) {
        let ready = state.withLock { state in
            change(&state)
            guard isSettled(state) else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiting.removeAll() }
            return Array(state.waiting.values)
        }
        for waiter in ready { waiter.resume() }
    }
}
