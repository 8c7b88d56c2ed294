import Exports

/// For how long the time of day has gone on at the pace of the clock that nobody sets, so that it can be trusted with what cannot be
/// undone.
///
/// A clock that is set ahead by a year would let a year's exports look old. So the retention waits until the time of day has been steady
/// for a while: from the start of the process on, and again whenever it was set.
struct SteadyClock: Sendable {
    /// A difference that adjustments of a clock make, and that does no harm.
    static let tolerance = Duration.seconds(5)
    /// For so long at most it must have been steady.
    static let longest = Duration.seconds(3600)

    private var last: (day: Timestamp, elapsed: Duration)?
    private(set) var steadyFor = Duration.zero

    /// Looks at both clocks: the time of day, and `TimeSource.elapsed`.
    mutating func see(_ day: Timestamp, elapsed: Duration) {
        defer { last = (day, elapsed) }
        guard let last else { return }
        let passed = elapsed - last.elapsed
        let difference = (day - last.day) - passed
        let isSteady = (.zero - Self.tolerance...Self.tolerance).contains(difference)
        steadyFor = isSteady ? steadyFor + passed : .zero
    }
}
