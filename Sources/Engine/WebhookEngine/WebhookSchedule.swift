import Exports

/// When a message is sent again after an attempt that failed: ten attempts in three days, as Standard Webhooks recommends
/// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#deliverability-and-reliability).
enum WebhookSchedule {
    /// The waits between the attempts: 71 hours and 35 minutes together.
    static let waits: [Duration] = [
        .seconds(5), .seconds(5 * 60), .seconds(30 * 60), .seconds(2 * 3600), .seconds(5 * 3600), .seconds(10 * 3600),
        .seconds(14 * 3600), .seconds(20 * 3600), .seconds(20 * 3600),
    ]
    /// What a wait is longer or shorter by at most, so that messages that failed together do not come back together.
    static let spread = 0.1
    /// The longest wait that a receiver can ask for with `Retry-After`.
    static let longestRetryAfter = Duration.seconds(86_400)

    /// The wait after an attempt; nil where it was the last one.
    ///
    /// - Parameters:
    ///   - attempts: How many there were, at least 1.
    ///   - retryAfter: What the receiver asked for. The wait is never shorter, up to `longestRetryAfter`.
    ///   - jitter: A random number in 0..<1.
    static func wait(after attempts: Int, retryAfter: Duration?, jitter: Double) -> Duration? {
        guard attempts <= waits.count else { return nil }
        let wait = waits[max(attempts, 1) - 1] * (1 - spread + 2 * spread * jitter)
        return max(wait, min(retryAfter ?? .zero, longestRetryAfter))
    }
}
