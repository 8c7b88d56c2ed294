import NIOCore

/// Whether a client reads its answers fast enough: the decisions of `SlowReaderHandler`, without its channel.
///
/// The client's rate counts only while bytes are waiting for it. With a slow upstream, bytes never wait for long. When the client
/// falls behind, it has to read at least `minimum` bytes in each window, until it has read everything.
struct ReaderPace: Sendable {
    /// The time over which the rate is averaged.
    let window: TimeAmount
    /// The fewest bytes in a window; at least one.
    let minimum: Int64

    /// The bytes that were written for the client, whether it has read them or not.
    private var written: Int64 = 0
    /// When the client fell behind, or the former window ended, and what it had read until then.
    private var period: (start: NIODeadline, taken: Int64)?

    /// - Parameters:
    ///   - rate: The lowest rate in bytes a second. With 0, a client only has to read anything at all.
    ///   - window: The time over which the rate is averaged.
    init(rate: Int, window: TimeAmount) {
        self.window = window
        let (seconds, nanoseconds) = window.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        minimum = max(1, Int64(rate) * seconds + Int64(Double(rate) * Double(nanoseconds) / 1e9))
    }

    /// More bytes will be written. With `isUpToDate`, the bytes before them have left the process.
    mutating func willWrite(_ count: Int, isUpToDate: Bool) {
        if isUpToDate { period = nil }
        written += Int64(count)
    }

    /// The client has fallen behind: so many bytes are waiting that no more are written for now.
    mutating func fellBehind(waiting: Int, at now: NIODeadline) {
        if period == nil { period = (now, taken(waiting)) }
    }

    /// When to call ``isTooSlow(waiting:at:)``; nil while the client keeps up.
    var nextCheck: NIODeadline? { period.map { $0.start + window } }

    /// Whether the client has read too little in the window that is over. Begins the next window.
    mutating func isTooSlow(waiting: Int, at now: NIODeadline) -> Bool {
        guard let period, waiting > 0 else {
            self.period = nil
            return false
        }
        guard now >= period.start + window else { return false }
        let taken = taken(waiting)
        self.period = (now, taken)
        return taken - period.taken < minimum
    }

    /// The bytes that the client has read. It may be a little more, because the framing around the bytes waits too.
    private func taken(_ waiting: Int) -> Int64 { written - Int64(waiting) }
}
