import Exports

/// How long to wait before the next try: doubling, with jitter, so that many exports do not ask in step.
struct Backoff: Sendable {
    var shortest: Duration
    var longest: Duration
    var factor = 2.0

    /// The wait after `count` earlier waits. `jitter` is in 0..<1 and takes up to a fifth off, never below `shortest`.
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
    /// The duration, held within bounds: upstreams have sent waits of 0 and of years.
    func clamped(_ bounds: ClosedRange<Duration>) -> Duration {
        min(max(self, bounds.lowerBound), bounds.upperBound)
    }
}
