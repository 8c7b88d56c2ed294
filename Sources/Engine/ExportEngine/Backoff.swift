import Exports

/// The wait before the next attempt. It doubles, and has jitter, so that many exports do not call at the same moments.
struct Backoff: Sendable {
    var shortest: Duration
    var longest: Duration
    var factor = 2.0

    /// The wait after `count` earlier waits. `jitter` is in 0..<1 and shortens it by up to a fifth, never below `shortest`.
    func wait(after count: Int, jitter: Double) -> Duration {
        let longest = max(shortest, longest)
        var wait = shortest
        var steps = 0
        while steps < count, wait < longest {
            wait = min(longest, wait * factor)
            steps += 1
        }
        return max(shortest, wait * (1 - 0.2 * jitter))
    }
}

extension Duration {
    /// The duration within bounds: upstreams have sent waits of 0 and of years.
    func clamped(_ bounds: ClosedRange<Duration>) -> Duration {
        min(max(self, bounds.lowerBound), bounds.upperBound)
    }
}
