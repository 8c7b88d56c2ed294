import Exports
import Synchronization

/// What `ManualTime` shows, and who waits on it.
final class ManualClockState: Sendable {
    enum Kind { case pause, deadline }

    struct Sleeper {
        var id: UInt64
        var kind: Kind
        /// When it is woken; nil if only a cancellation ends its wait.
        var due: Timestamp?
        var continuation: CheckedContinuation<Void, any Error>
    }

    struct Watcher {
        var id: UInt64
        var kind: Kind
        var count: Int
        /// Only sleepers that are due at this time or before count; nil for all.
        var due: Timestamp?
        var continuation: CheckedContinuation<Void, Never>

        func isMet(by sleepers: [Sleeper]) -> Bool {
            let counted = sleepers.count { sleeper in
                guard sleeper.kind == kind else { return false }
                guard let due else { return true }
                return sleeper.due.map { $0 <= due } ?? false
            }
            return counted >= count
        }
    }

    struct State {
        var now: Timestamp
        var elapsed = Duration.zero
        var skipped: [Duration] = []
        var lastID: UInt64 = 0
        var sleepers: [Sleeper] = []
        var watchers: [Watcher] = []
        /// Fired whenever a pause begins.
        var signals: [UInt64: Signal] = [:]

        mutating func nextID() -> UInt64 {
            lastID += 1
            return lastID
        }
    }

    let state: Mutex<State>

    init(now: Timestamp) { state = Mutex(State(now: now)) }

    func add(_ signal: Signal) -> UInt64 {
        state.withLock { state in
            let id = state.nextID()
            state.signals[id] = signal
            return id
        }
    }

    func remove(_ signal: UInt64) { state.withLock { _ = $0.signals.removeValue(forKey: signal) } }

    func count(_ kind: Kind) -> Int { state.withLock { $0.sleepers.count { $0.kind == kind } } }

    /// Returns when the clock was advanced by `duration`, or throws when the task is cancelled; for nil only the latter.
    func sleep(for duration: Duration?, _ kind: Kind) async throws {
        let id = state.withLock { $0.nextID() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let (immediate, watchers, signals) = state.withLock {
                    state -> (Result<Void, any Error>?, [CheckedContinuation<Void, Never>], [Signal]) in
                    // The task is marked as cancelled before `onCancel` runs. So a cancellation is noticed here, or `onCancel`
                    // finds the sleeper.
                    if Task.isCancelled { return (.failure(CancellationError()), [], []) }
                    if let duration, duration <= .zero { return (.success(()), [], []) }
                    let due = duration.map { state.now + $0 }
                    state.sleepers.append(Sleeper(id: id, kind: kind, due: due, continuation: continuation))
                    let sleepers = state.sleepers
                    let ready = state.watchers.filter { $0.isMet(by: sleepers) }
                    state.watchers.removeAll { $0.isMet(by: sleepers) }
                    return (nil, ready.map(\.continuation), kind == .pause ? Array(state.signals.values) : [])
                }
                if let immediate { continuation.resume(with: immediate) }
                for watcher in watchers { watcher.resume() }
                for signal in signals { signal.fire() }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                state.sleepers.firstIndex { $0.id == id }.map { state.sleepers.remove(at: $0) }
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    func advance(by duration: Duration) {
        let due = state.withLock { state -> [Sleeper] in
            state.now = state.now + duration
            state.elapsed += duration
            let now = state.now
            let isDue = { (sleeper: Sleeper) in sleeper.due.map { $0 <= now } ?? false }
            let due = state.sleepers.filter(isDue)
                .sorted { ($0.due ?? now, $0.id) < ($1.due ?? now, $1.id) }
            state.sleepers.removeAll(where: isDue)
            return due
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    func set(to now: Timestamp) {
        state.withLock { state in
            let step = now - state.now
            state.now = now
            // Sleepers wait for a duration: it stays the same when the wall clock is set.
            for index in state.sleepers.indices {
                state.sleepers[index].due = state.sleepers[index].due.map { $0 + step }
            }
        }
    }

    /// Returns once at least `count` sleepers of this kind wait, or when the task is cancelled.
    func waiting(_ kind: Kind, atLeast count: Int, dueWithin duration: Duration?) async {
        let id = state.withLock { $0.nextID() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    let due = duration.map { state.now + $0 }
                    let watcher = Watcher(id: id, kind: kind, count: count, due: due, continuation: continuation)
                    if Task.isCancelled || watcher.isMet(by: state.sleepers) { return true }
                    state.watchers.append(watcher)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let watcher = state.withLock { state in
                state.watchers.firstIndex { $0.id == id }.map { state.watchers.remove(at: $0) }
            }
            watcher?.continuation.resume()
        }
    }
}
