import Exports
import Synchronization

/// The callers' own upstream tokens, by export: in memory only, the latest one counts.
final class CallerTokens: Sendable {
    private struct State {
        var tokens: [ExportID: Secret] = [:]
        /// Oldest first; may hold ids whose token is gone.
        var order: [ExportID] = []
    }

    private let state = Mutex(State())
    private let capacity: Int

    /// Keeps at most `capacity` tokens: the oldest give way.
    init(capacity: Int = 10_000) {
        self.capacity = capacity
    }

    func token(for id: ExportID) -> Secret? { state.withLock { $0.tokens[id] } }

    func keep(_ token: Secret, for id: ExportID) {
        state.withLock { state in
            if state.tokens.updateValue(token, forKey: id) == nil { state.order.append(id) }
            while state.tokens.count > capacity { state.tokens[state.order.removeFirst()] = nil }
            if state.order.count > 2 * capacity {
                var seen: Set<ExportID> = []
                state.order = state.order.filter { state.tokens[$0] != nil && seen.insert($0).inserted }
            }
        }
    }

    /// Forgets a token that was refused, unless a newer one has come.
    func drop(_ token: Secret, for id: ExportID) {
        state.withLock { if $0.tokens[id] == token { $0.tokens[id] = nil } }
    }

    func forget(_ id: ExportID) { state.withLock { $0.tokens[id] = nil } }
}
