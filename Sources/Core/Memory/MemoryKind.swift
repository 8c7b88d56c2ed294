/// What clients can make the process keep in memory. The raw value is the label `kind` of the metrics.
public enum MemoryKind: String, Sendable, Hashable, CaseIterable {
    /// Request heads that are not complete, long heads of requests under way, and the bytes that follow those.
    case head
    /// Request bodies, until they are read.
    case body
    /// Requests that wait for a change.
    case wait
    /// Downloads and measurements.
    case download

    /// The bytes that are guaranteed to this kind in a budget of `total`: no other kind can take them.
    public func guaranteed(of total: Int) -> Int {
        switch self {
        case .head, .body, .wait: total / 32
        case .download: total / 2
        }
    }

    /// The most bytes that this kind can take: all that is not guaranteed to the others.
    public func maximum(of total: Int) -> Int {
        let others = Self.allCases.reduce(0) { $1 == self ? $0 : $0 + $1.guaranteed(of: total) }
        return switch self {
        case .head: total / 8
        case .body, .wait: total / 4
        case .download: total - others
        }
    }

    /// The most bytes of this kind that one caller can take. Nil for downloads, which are limited by their number for each caller. A
    /// head counts for its caller as soon as the caller is known.
    func callerMaximum(of total: Int) -> Int? {
        switch self {
        case .head, .body, .wait: maximum(of: total) / 2
        case .download: nil
        }
    }
}

/// Why memory is not reserved.
public enum MemoryRefusal: Error, Sendable, Hashable {
    /// The caller has reached the limit of one caller for this kind, in bytes.
    case caller(limit: Int)
    /// There is nothing left for this kind.
    case full
    /// The reservation was released before: nothing more can be reserved with it.
    case released
}
