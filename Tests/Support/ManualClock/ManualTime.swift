public import Exports
import Synchronization

/// The clock of tests. It stands still until a test advances it.
///
/// Pauses (`sleep(for:)`) and time limits (`deadline(after:)`) are told apart. A test says what becomes of each kind when it
/// makes the clock, and counts them apart.
public final class ManualTime: TimeSource {
    /// What becomes of pauses, or of time limits.
    public enum Waits: Sendable {
        /// They end when the test has advanced the clock that far.
        case endWhenAdvanced
        /// They end at once, and the clock moves on by their length.
        case moveTheClock
        /// They end at once, and the clock stands still.
        case endAtOnce
        /// They end only when their task is cancelled.
        case neverEnd
        /// They take as long on the machine's clock, while this one stands still.
        case takeRealTime
    }

    private let clock: ManualClockState
    private let pauses: Waits
    private let deadlines: Waits

    /// Makes a clock that shows `now`.
    public convenience init(
        now: Timestamp = Timestamp(milliseconds: 1_780_000_000_000),
        pauses: Waits = .endWhenAdvanced,
        deadlines: Waits = .endWhenAdvanced
    ) {
        self.init(ManualClockState(now: now), pauses, deadlines)
    }

    private init(_ clock: ManualClockState, _ pauses: Waits, _ deadlines: Waits) {
        self.clock = clock
        self.pauses = pauses
        self.deadlines = deadlines
    }

    /// The same clock for another part of the test, whose pauses and time limits are treated differently.
    public func with(pauses: Waits, deadlines: Waits) -> ManualTime { ManualTime(clock, pauses, deadlines) }

    public func now() -> Timestamp { clock.state.withLock { $0.now } }

    public func elapsed() -> Duration { clock.state.withLock { $0.elapsed } }

    public func sleep(for duration: Duration) async throws { try await wait(for: duration, .pause, pauses) }

    public func deadline(after limit: Duration) async throws { try await wait(for: limit, .deadline, deadlines) }

    private func wait(for duration: Duration, _ kind: ManualClockState.Kind, _ waits: Waits) async throws {
        try Task.checkCancellation()
        switch waits {
        case .endWhenAdvanced: try await clock.sleep(for: duration, kind)
        case .neverEnd: try await clock.sleep(for: nil, kind)
        case .endAtOnce: break
        case .moveTheClock:
            clock.state.withLock { $0.skipped.append(duration) }
            clock.advance(by: duration)
        case .takeRealTime: try await Task.sleep(for: duration)
        }
    }

    /// Advances the clock. Wakes everyone who is due, in the order of their times, and then of their arrival.
    public func advance(by duration: Duration) { clock.advance(by: duration) }

    /// Sets the wall clock, like an operator or a time server. No time passes, and nobody is woken.
    public func set(to now: Timestamp) { clock.set(to: now) }

    /// The lengths of the waits that moved the clock (`Waits.moveTheClock`), in their order.
    public var skipped: [Duration] { clock.state.withLock { $0.skipped } }

    /// How many tasks pause on this clock now.
    public var pauseCount: Int { clock.count(.pause) }

    /// How many time limits run on this clock now.
    public var deadlineCount: Int { clock.count(.deadline) }

    /// Fires `signal` whenever a task begins to pause on this clock, while `body` runs.
    package func firing<Value: Sendable>(_ signal: Signal, _ body: () async throws -> Value) async rethrows -> Value {
        let id = clock.add(signal)
        defer { clock.remove(id) }
        return try await body()
    }

    /// Returns once at least `count` tasks pause on this clock, or when the task is cancelled. With `duration`, only pauses
    /// count that end within it from now on.
    public func pauses(atLeast count: Int, dueWithin duration: Duration? = nil) async {
        await clock.waiting(.pause, atLeast: count, dueWithin: duration)
    }

    /// Returns once at least `count` time limits run on this clock, or when the task is cancelled.
    public func deadlines(atLeast count: Int) async {
        await clock.waiting(.deadline, atLeast: count, dueWithin: nil)
    }
}
