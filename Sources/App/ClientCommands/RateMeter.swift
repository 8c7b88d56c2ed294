/// How fast a download is now: over the last seconds, so that neither a burst nor a pause of long ago counts.
struct RateMeter: Sendable {
    /// The time that counts.
    static let window: Duration = .seconds(5)
    /// At most so many readings are kept.
    static let most = 64

    private var readings: [(bytes: Int64, at: Duration)] = []

    init() {}

    /// So many bytes are there at this time.
    mutating func read(_ bytes: Int64, at time: Duration) {
        if let last = readings.last, bytes < last.bytes { readings = [] }
        readings.append((bytes, time))
        while readings.count > 2, readings.count > Self.most || time - readings[1].at > Self.window {
            readings.removeFirst()
        }
    }

    /// Bytes in a second; nil before there are two readings.
    var bytesPerSecond: Double? {
        guard let first = readings.first, let last = readings.last, last.at > first.at else { return nil }
        return Double(last.bytes - first.bytes) / ((last.at - first.at) / .seconds(1))
    }

    /// The time until `total` bytes are there; nil where it cannot be known.
    func remaining(to total: Int64?) -> Duration? {
        guard let total, let rate = bytesPerSecond, rate >= 1, let last = readings.last else { return nil }
        return .seconds(Double(max(0, total - last.bytes)) / rate)
    }
}
