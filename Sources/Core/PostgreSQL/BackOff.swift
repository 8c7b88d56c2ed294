import Exports

/// How long to wait before an attempt to connect: 100 ms after the first failure, doubled with each further one up to 5 s, less up to half
/// at random, so that replicas that lost the same server do not come back together.
struct BackOff: Sendable {
    var least: Duration = .milliseconds(100)
    var most: Duration = .seconds(5)
    var randomness: Randomness

    /// The wait after so many failures in a row, at least one.
    func delay(after failures: Int) -> Duration {
        let doubled = least * (1 << min(max(0, failures - 1), 16))
        return min(most, doubled) * (1 - randomness.jitter() / 2)
    }
}
