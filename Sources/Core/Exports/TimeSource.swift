/// The clock of a module, and its way to wait. It is injected, so that tests control both.
public protocol TimeSource: Sendable {
    /// The wall clock, UTC.
    func now() -> Timestamp

    /// A monotonic time, for durations: it advances evenly, and setting the wall clock does not change it.
    func elapsed() -> Duration

    /// A pause, after which work goes on: returns after `duration`, or throws `CancellationError` as soon as the task is
    /// cancelled.
    func sleep(for duration: Duration) async throws

    /// The time limit of an operation that runs in another task: returns when `limit` has passed, or throws `CancellationError`
    /// as soon as the task is cancelled, which it is when the operation has ended in time.
    ///
    /// Apart from `sleep(for:)`, so that a test can let every pause pass without the time limits beside it.
    func deadline(after limit: Duration) async throws
}

/// The machine's own clock. Copies of one share its timer.
public struct SystemTime: TimeSource {
    private let timers = SleepTimers()

    /// Makes a source that reads the machine's clock.
    public init() {}

    public func now() -> Timestamp { Timestamp.systemNow() }

    public func elapsed() -> Duration { ContinuousClock.now - Self.beginning }

    private static let beginning = ContinuousClock.now

    public func sleep(for duration: Duration) async throws {
        try await timers.sleep(for: duration)
    }

    public func deadline(after limit: Duration) async throws {
        try await timers.sleep(for: limit)
    }
}

extension Duration {
    /// The duration in seconds, rounded up, never negative: the form of `Retry-After` (RFC 9110, 10.2.3).
    public var wholeSecondsRoundedUp: Int64 {
        let (seconds, attoseconds) = components
        return max(0, attoseconds > 0 ? seconds + 1 : seconds)
    }

    /// The duration in milliseconds, rounded down.
    public var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, rest) = attoseconds.quotientAndRemainder(dividingBy: 1_000_000_000_000_000)
        return seconds * 1000 + whole - (rest < 0 ? 1 : 0)
    }
}
