/// The frames that wait for the connection, in their order. A value without I/O.
struct SyslogQueue: Sendable {
    private let limit: Int
    private var frames: ArraySlice<[UInt8]> = []
    private var isClosed = false
    /// How many were dropped since the count was taken.
    private var dropped = 0

    init(limit: Int) { self.limit = limit }

    var count: Int { frames.count }
    var isEmpty: Bool { frames.isEmpty }

    /// Adds a frame at the end, where there is a place. What came first stays: the rows are in the ledger, and their numbers show what is
    /// missing here.
    mutating func add(_ frame: [UInt8]) {
        guard !isClosed, frames.count < limit else {
            dropped += 1
            return
        }
        frames.append(frame)
    }

    /// The first frames after some, together of so many bytes at most; at least one, where there is any. They stay until they are removed.
    func first(bytes: Int, after skipped: Int = 0) -> ArraySlice<[UInt8]> {
        let start = min(frames.startIndex + skipped, frames.endIndex)
        var (end, sum) = (start, 0)
        while end < frames.endIndex, end == start || sum + frames[end].count <= bytes {
            sum += frames[end].count
            end += 1
        }
        return frames[start..<end]
    }

    /// Removes the first frames: they need not be sent again.
    mutating func removeFirst(_ count: Int) {
        frames.removeFirst(count)
        // A slice keeps the whole array that it was cut from.
        if frames.startIndex > limit { frames = Array(frames)[...] }
    }

    /// Takes no more. Frames that are left count as dropped.
    mutating func close() {
        isClosed = true
        dropped += frames.count
        frames = []
    }

    mutating func takeDropped() -> Int {
        defer { dropped = 0 }
        return dropped
    }
}
