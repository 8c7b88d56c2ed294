import Exports
import GatewayAPI
import Synchronization

/// Who waits for a reload. All that have asked before a reload begins share it, because it reads the file after they asked: however
/// many ask, at most one reload is under way and one more is to come.
final class ReloadRequests: Sendable {
    typealias Waiting = [CheckedContinuation<ReloadOutcome, Never>]

    private struct State {
        var waiting: Waiting = []
        var isDue = false
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
        state.withLock { $0.isDue = true }
        news.fire()
    }

    /// Asks for a reload, and returns what became of it: `notNow` at once where none is taken. A reload is carried out although the
    /// task that waits for it is cancelled.
    func ask() async -> ReloadOutcome {
        await withCheckedContinuation { continuation in
            let isTaken = state.withLock { state in
                guard state.isOpen else { return false }
                state.isDue = true
                state.waiting.append(continuation)
                return true
            }
            if isTaken { news.fire() } else { continuation.resume(returning: .notNow) }
        }
    }

    /// Waits for a request, and returns who waits for the reload that is to begin now. Nil where the task is cancelled. One task at a
    /// time.
    func next() async -> Waiting? {
        while !Task.isCancelled {
            let waiting = state.withLock { state -> Waiting? in
                guard state.isDue else { return nil }
                defer { (state.waiting, state.isDue) = ([], false) }
                return state.waiting
            }
            if let waiting { return waiting }
            await news.wait()
        }
        return nil
    }

    /// Takes no more requests, and answers those that wait with `notNow`.
    func close() {
        let waiting = state.withLock { state in
            defer { (state.waiting, state.isOpen) = ([], false) }
            return state.waiting
        }
        for continuation in waiting { continuation.resume(returning: .notNow) }
    }
}
