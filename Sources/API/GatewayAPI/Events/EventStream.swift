import NIOCore
import Synchronization

/// One stream: what was added for its client, until its task sends it.
final class EventStream: Sendable {
    private struct State {
        var queue: EventQueue
        /// The task that waits for the next step.
        var waiter: CheckedContinuation<EventQueue.Step, Never>?

        /// The task to resume, with its step.
        mutating func woken() -> (CheckedContinuation<EventQueue.Step, Never>, EventQueue.Step)? {
            guard let waiter, let step = queue.next() else { return nil }
            self.waiter = nil
            return (waiter, step)
        }
    }

    let scope: EventScope
    private let state: Mutex<State>

    init(_ scope: EventScope, limit: Int) {
        self.scope = scope
        state = Mutex(State(queue: EventQueue(limit: limit)))
    }

    func add(_ frame: EventFrame) { change { $0.add(frame) } }

    func beats(at position: Int64) { change { $0.beats(at: position) } }

    /// Why it has ended; nil while it has not.
    var ended: EventQueue.End? { state.withLock { $0.queue.end } }

    func end(_ reason: EventQueue.End) { change { $0.end(reason) } }

    private func change(_ body: (inout EventQueue) -> Void) {
        let woken = state.withLock { state in
            body(&state.queue)
            return state.woken()
        }
        if let (waiter, step) = woken { waiter.resume(returning: step) }
    }

    /// The next step, as soon as there is one. Called by one task. It is not cancelled: `end` ends it.
    func next() async -> EventQueue.Step {
        await withCheckedContinuation { continuation in
            let step = state.withLock { state in
                let step = state.queue.next()
                if step == nil { state.waiter = continuation }
                return step
            }
            if let step { continuation.resume(returning: step) }
        }
    }
}
