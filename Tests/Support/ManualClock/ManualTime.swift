public import Exports
import Synchronization

/// A clock that only moves when it is advanced.
///
/// `advance(by:)` wakes every sleeper that is due, in the order of their deadlines, and then of their arrival.
public final class ManualTime: TimeSource {
    private struct Sleeper {
        var id: UInt64
        var deadline: Timestamp
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct Watcher {
        var count: Int
        /// Only sleepers that are due then or before count.
        var due: Timestamp
        var continuation: CheckedContinuation<Void, Never>

        func isMet(by sleepers: [Sleeper]) -> Bool { sleepers.count { $0.deadline <= due } >= count }
    }

    private struct State {
        var now: Timestamp
        var elapsed = Duration.zero
        var nextID: UInt64 = 0
        var sleepers: [Sleeper] = []
        var cancelled: Set<UInt64> = []
        var watchers: [Watcher] = []
    }

    private let state: Mutex<State>

    /// Makes a clock that shows `now`.
    public init(now: Timestamp = Timestamp(milliseconds: 1_780_000_000_000)) {
        state = Mutex(State(now: now))
    }

    public func now() -> Timestamp { state.withLock { $0.now } }

    public func elapsed() -> Duration { state.withLock { $0.elapsed } }

    public func sleep(for duration: Duration) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        // A cancellation that comes after the wake-up leaves its mark behind.
        defer { state.withLock { _ = $0.cancelled.remove(id) } }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let (immediate, watchers) = state.withLock {
                    state -> (Result<Void, any Error>?, [CheckedContinuation<Void, Never>]) in
                    if state.cancelled.remove(id) != nil { return (.failure(CancellationError()), []) }
                    if duration <= .zero { return (.success(()), []) }
                    state.sleepers.append(
                        Sleeper(id: id, deadline: state.now + duration, continuation: continuation)
                    )
                    let sleepers = state.sleepers
                    let ready = state.watchers.filter { $0.isMet(by: sleepers) }
                    state.watchers.removeAll { $0.isMet(by: sleepers) }
                    return (nil, ready.map(\.continuation))
                }
                if let immediate { continuation.resume(with: immediate) }
                for watcher in watchers { watcher.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Advances the clock and wakes whoever is due.
    public func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now = state.now + duration
            state.elapsed += duration
            let due = state.sleepers.filter { $0.deadline <= state.now }
                .sorted { ($0.deadline, $0.id) < ($1.deadline, $1.id) }
            state.sleepers.removeAll { $0.deadline <= state.now }
            return due
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// Sets the wall clock, like an operator or a time server. No time passes, and no sleeper is woken.
    public func set(to now: Timestamp) {
        state.withLock { state in
            let step = now - state.now
            state.now = now
            // Sleepers wait for a duration, whatever the wall clock shows.
            for index in state.sleepers.indices {
                state.sleepers[index].deadline = state.sleepers[index].deadline + step
            }
        }
    }

    /// How many tasks sleep on this clock.
    public var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    /// Returns once at least `count` tasks sleep on this clock. With `duration`, once this many of them are due within it from
    /// now on.
    public func sleepers(atLeast count: Int, dueWithin duration: Duration? = nil) async {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state in
                let due = duration.map { state.now + $0 } ?? Timestamp(milliseconds: .max)
                let watcher = Watcher(count: count, due: due, continuation: continuation)
                if watcher.isMet(by: state.sleepers) { return true }
                state.watchers.append(watcher)
                return false
            }
            if ready { continuation.resume() }
        }
    }
}
