import Synchronization

/// Wakes one waiting task. A signal without a waiter is kept until the next wait; several signals become one.
package final class Signal: Sendable {
    private struct State {
        var isFired = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    package init() {}

    /// Whether it was fired and no task has waited for it since.
    package var isFired: Bool { state.withLock { $0.isFired } }

    package func fire() {
        let waiter = state.withLock { state in
            let waiter = state.waiter
            state.waiter = nil
            state.isFired = waiter == nil
            return waiter
        }
        waiter?.resume()
    }

    /// Returns when the signal was fired, or the task is cancelled. One waiter at a time.
    package func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    // The task is marked as cancelled before `onCancel` runs. So a cancellation is noticed here, or `onCancel` finds the
                    // waiter.
                    if state.isFired || Task.isCancelled {
                        state.isFired = false
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume()
        }
    }

    /// A pause that ends early when the signal is fired or the task is cancelled. Nil for no end by time. The result is whether
    /// it ended by time.
    @discardableResult
    package func wait(until end: Timestamp?, of time: any TimeSource) async -> Bool {
        guard let end else {
            await wait()
            return false
        }
        return await wait { try await time.sleep(for: end - time.now()) }
    }

    /// Waits for the signal, but no longer than until `deadline`, or until the task is cancelled. The result is whether it was
    /// the deadline.
    package func wait(deadline: Timestamp, of time: any TimeSource) async -> Bool {
        await wait { try await time.deadline(after: deadline - time.now()) }
    }

    /// Waits for the signal or for `timer`.
    private func wait(or timer: @escaping @Sendable () async throws -> Void) async -> Bool {
        // Thousands of tasks may wait at a time, so each of them starts only one task more.
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                do {
                    try await timer()
                } catch {
                    // Cancelled, because the signal was fired or the waiting task was cancelled.
                    return false
                }
                self.fire()
                return true
            }
            await self.wait()
            group.cancelAll()
            return await group.next() ?? false
        }
    }
}
