import NIOCore

/// Whether a client takes its answers fast enough: the decisions of `SlowReaderHandler`, without its channel.
///
/// Only while bytes are waiting for the client does its pace count: where the upstream is what is slow, they never are for
/// long. From the moment that the client falls behind, it has to take so many bytes in each window, until it has taken
/// everything.
struct ReaderPace: Sendable {
    /// How long the pace is averaged over.
    let window: TimeAmount
    /// The fewest bytes in a window; at least one.
    let minimum: Int64

    /// Bytes that were written for the client, taken or not.
    private var written: Int64 = 0
    /// When the client fell behind, or the window before this one ended, and what it had taken until then.
    private var period: (start: NIODeadline, taken: Int64)?

    /// - Parameters:
    ///   - rate: The fewest bytes in a second; 0 lets every client be that takes anything at all.
    ///   - window: How long the pace is averaged over.
    init(rate: Int, window: TimeAmount) {
        self.window = window
        let (seconds, nanoseconds) = window.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        minimum = max(1, Int64(rate) * seconds + Int64(Double(rate) * Double(nanoseconds) / 1e9))
    }

    /// More bytes are going to be written, where those before them are out of our hands or not.
    mutating func willWrite(_ count: Int, isUpToDate: Bool) {
        if isUpToDate { period = nil }
        written += Int64(count)
    }

    /// So much is waiting that nothing more is written for now.
    mutating func fellBehind(waiting: Int, at now: NIODeadline) {
        if period == nil { period = (now, taken(waiting)) }
    }

    /// When to ask ``isTooSlow(waiting:at:)``; nil while the client keeps up.
    var nextCheck: NIODeadline? { period.map { $0.start + window } }

    /// Whether the client has taken too little in the window that is over. Begins the next one.
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

    /// The frame around the bytes waits too: what was taken may seem a little less than it is.
    private func taken(_ waiting: Int) -> Int64 { written - Int64(waiting) }
}
