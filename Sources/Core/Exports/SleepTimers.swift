import Dispatch
import HeapModule
import Synchronization

/// Sleeping tasks, and the one system timer that wakes them.
///
/// `Task.sleep` keeps the task and the timer of a sleep that was cancelled until its time would have come: some 900 bytes each
/// (Swift 6.3 on Linux). Most sleeps here are the limits of calls that end long before, thousands in a second.
final class SleepTimers: Sendable {
    /// The sleepers and their deadlines. A plain value; times are `ContinuousClock` durations since the timers were made.
    struct Sleepers<Sleeper> {
        private struct Item: Comparable {
            var deadline: Duration
            var number: UInt64

            static func < (one: Item, other: Item) -> Bool { one.deadline < other.deadline }
        }

        private var heap = Heap<Item>()
        private var sleepers: [UInt64: (sleeper: Sleeper, deadline: Duration)] = [:]

        var count: Int { sleepers.count }
        /// The items in the heap, including sleepers that were woken early: at most twice as many, and a few.
        var itemCount: Int { heap.count }

        mutating func add(_ number: UInt64, _ sleeper: Sleeper, until deadline: Duration) {
            sleepers[number] = (sleeper, deadline)
            heap.insert(Item(deadline: deadline, number: number))
        }

        /// Removes a sleeper that sleeps no longer; nil where it is not there.
        mutating func remove(_ number: UInt64) -> Sleeper? {
            guard let (sleeper, _) = sleepers.removeValue(forKey: number) else { return nil }
            if heap.count > 2 * sleepers.count + 64 {
                heap = Heap(sleepers.map { Item(deadline: $0.value.deadline, number: $0.key) })
            }
            return sleeper
        }

        /// Removes and returns all sleepers that are due.
        mutating func due(at now: Duration) -> [Sleeper] {
            var due: [Sleeper] = []
            while let first = heap.min, first.deadline <= now || sleepers[first.number] == nil {
                heap.removeMin()
                if let (sleeper, _) = sleepers.removeValue(forKey: first.number) { due.append(sleeper) }
            }
            return due
        }

        /// The deadline of the next sleeper, which may have been woken already.
        var next: Duration? { heap.min?.deadline }
    }

    private struct State {
        var sleepers = Sleepers<UnsafeContinuation<Void, any Error>>()
        var lastNumber: UInt64 = 0
        var timer: (any DispatchSourceTimer)?
        /// When the timer fires; nil when it is not set.
        var set: Duration?
    }

    private let start = ContinuousClock.now
    private let queue = DispatchQueue(label: "export-gateway.timers")
    private let state = Mutex(State())

    deinit { state.withLock { $0.timer?.cancel() } }

    /// How many sleep.
    var count: Int { state.withLock { $0.sleepers.count } }

    /// Returns after `duration`, or throws `CancellationError` as soon as the task is cancelled.
    func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        let deadline = ContinuousClock.now - start + max(.zero, duration)
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                state.withLock { state in
                    state.sleepers.add(number, continuation, until: deadline)
                    self.setTimer(&state)
                }
                // The task may have been cancelled before its sleeper was added.
                if Task.isCancelled { cancel(number) }
            }
        } onCancel: {
            cancel(number)
        }
    }

    private func cancel(_ number: UInt64) {
        state.withLock { $0.sleepers.remove(number) }?.resume(throwing: CancellationError())
    }

    /// Sets the timer if the next sleeper is due before it fires, or if it should have fired already: the time in which the
    /// machine was suspended counts for the sleepers, but not for the timer.
    private func setTimer(_ state: inout State) {
        let now = ContinuousClock.now - start
        guard let next = state.sleepers.next, state.set.map({ next < $0 || $0 <= now }) ?? true else { return }
        let timer = state.timer ?? makeTimer()
        state.timer = timer
        state.set = next
        let wait = max(.zero, next - now)
        // Longer waits are split into days, because the nanoseconds of many years would overflow.
        let (seconds, attoseconds) = min(wait, .seconds(86_400)).components
        timer.schedule(
            deadline: .now() + .nanoseconds(Int(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)),
            leeway: .microseconds(500)
        )
    }

    private func makeTimer() -> any DispatchSourceTimer {
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.setEventHandler { [weak self] in self?.wake() }
        timer.activate()
        return timer
    }

    private func wake() {
        let due = state.withLock { state in
            let due = state.sleepers.due(at: ContinuousClock.now - start)
            state.set = nil
            setTimer(&state)
            return due
        }
        for sleeper in due { sleeper.resume() }
    }
}
