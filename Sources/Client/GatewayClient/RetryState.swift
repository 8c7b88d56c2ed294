/// When a call is tried again: pauses that double, with a random part, and an end.
struct RetryState {
    private let settings: ClientSettings
    private var failures = 0

    init(_ settings: ClientSettings) { self.settings = settings }

    /// The call failed. The pause before the next try; nil when there is none.
    ///
    /// - Parameter jitter: 0..<1, which spreads clients that failed together.
    mutating func failed(_ error: GatewayClientError, jitter: Double) -> Duration? {
        guard error.isTransient else { return nil }
        return failed(retryAfter: error.retryAfter, jitter: jitter)
    }

    /// Something failed that may pass.
    mutating func failed(retryAfter: Duration?, jitter: Double) -> Duration? {
        guard failures < settings.retries, (retryAfter ?? .zero) <= settings.longestRetryAfter else { return nil }
        var pause = settings.firstPause
        for _ in 0..<failures where pause < settings.longestPause { pause *= 2 }
        failures += 1
        return max(min(pause, settings.longestPause) * (1 - jitter / 2), retryAfter ?? .zero)
    }

    /// Something was won: what fails from now on is counted from the beginning.
    mutating func progressed() { failures = 0 }
}

extension GatewayClientError {
    /// When the gateway wants to be asked again.
    var retryAfter: Duration? { if case .refused(let problem) = self { problem.retryAfter } else { nil } }
}
