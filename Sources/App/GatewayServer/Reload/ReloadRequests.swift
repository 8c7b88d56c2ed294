import Audit
import Exports
import GatewayAPI
import Synchronization

/// Who waits for a reload. All that have asked before a reload begins share it, because it reads the file after they asked: however
/// many ask, at most one reload is under way and one more is to come.
final class ReloadRequests: Sendable {
    /// A reload that is to begin now.
    struct Due {
        /// Who waits for it.
        var waiting: [CheckedContinuation<ReloadOutcome, Never>] = []
        /// The request that was the first to ask for it; nil where only signals have.
        var origin: AuditOrigin?
    }

    private struct State {
        /// Nil where nobody has asked.
        var due: Due?
        var isOpen: Bool
    }

    private let state: Mutex<State>
    private let news = Signal()

    /// Takes requests where `isOpen`, else none.
    init(isOpen: Bool) {
        state = Mutex(State(isOpen: isOpen))
    }

    /// Asks for a reload that nobody waits for.
    func request() {
        state.withLock { $0.due = $0.due ?? Due() }
        news.fire()
    }

    /// Asks for a reload, and returns what became of it: `notNow` at once where none is taken. A reload is carried out although the
    /// task that waits for it is cancelled.
    func ask(by origin: AuditOrigin) async -> ReloadOutcome {
        await withCheckedContinuation { continuation in
            let isTaken = state.withLock { state in
                guard state.isOpen else { return false }
                var due = state.due ?? Due()
                due.waiting.append(continuation)
                due.origin = due.origin ?? origin
                state.due = due
                return true
            }
            if isTaken { news.fire() } else { continuation.resume(returning: .notNow) }
        }
    }

    /// Waits for a request, and returns the reload that is to begin now. Nil where the task is cancelled. One task at a time.
    func next() async -> Due? {
        while !Task.isCancelled {
            let due = state.withLock { state in
                defer { state.due = nil }
                return state.due
            }
            if let due { return due }
            await news.wait()
        }
        return nil
    }

    /// Takes no more requests, and answers those that wait with `notNow`.
    func close() {
        let waiting = state.withLock { state in
            defer { state = State(isOpen: false) }
            return state.due?.waiting ?? []
        }
        for continuation in waiting { continuation.resume(returning: .notNow) }
    }
}
