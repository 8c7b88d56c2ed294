#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Where a room gets the time from, and how it waits: handed in, so that tests own both.
public protocol TimeSource: Sendable {
    /// The wall clock, UTC.
    func now() -> Timestamp

    /// The time since some moment: for durations. Unlike `now`, it is never set, forwards or back.
    func elapsed() -> Duration

    /// Returns after `duration`, or throws `CancellationError` as soon as the task is cancelled.
    func sleep(for duration: Duration) async throws
}

extension TimeSource {
    /// By the wall clock, where that is never set: in tests.
    public func elapsed() -> Duration { .milliseconds(now().milliseconds) }
}

/// The machine's own clock.
public struct SystemTime: TimeSource {
    /// Makes a source that reads the machine's clock.
    public init() {}

    public func now() -> Timestamp { Timestamp.systemNow() }

    public func elapsed() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    public func sleep(for duration: Duration) async throws {
        try await Task.sleep(for: duration, clock: .continuous)
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
