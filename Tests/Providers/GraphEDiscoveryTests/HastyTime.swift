import Exports
import Synchronization

/// A clock that waits for nobody: a wait for a place in the budget, of less than 30 s here, moves it on and is over at once. A
/// deadline, of 30 s or more, ends with its task.
final class HastyTime: TimeSource {
    private static let start = Timestamp(milliseconds: 1_780_000_000_000)
    private let state = Mutex(start)

    func now() -> Timestamp { state.withLock { $0 } }

    func elapsed() -> Duration { now() - Self.start }

    func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        guard duration < .seconds(30) else { return try await Task.sleep(for: .seconds(3600)) }
        advance(by: duration)
    }

    func advance(by duration: Duration) { state.withLock { $0 = $0 + duration } }
}
