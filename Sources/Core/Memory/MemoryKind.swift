/// What clients can make the process hold. The raw value is the label `kind` of the metrics.
public enum MemoryKind: String, Sendable, Hashable, CaseIterable {
    /// Request heads that have not ended, long heads of requests under way, and what comes behind those.
    case head
    /// Request bodies, until they are read.
    case body
    /// Requests that wait for a change.
    case wait
    /// Downloads and measurements.
    case download

    /// The bytes that no other kind can take, in a budget of so many.
    public func guaranteed(of total: Int) -> Int {
        switch self {
        case .head, .body, .wait: total / 32
        case .download: total / 2
        }
    }

    /// The most bytes that this kind can take, where the others take no more than what they are guaranteed.
    public func maximum(of total: Int) -> Int {
        let others = Self.allCases.reduce(0) { $1 == self ? $0 : $0 + $1.guaranteed(of: total) }
        return switch self {
        case .head: total / 8
        case .body, .wait: total / 4
        case .download: total - others
        }
    }

    /// The most bytes of this kind that one caller can take; nil where that is bounded otherwise: downloads of a caller are counted.
    /// A head counts for its caller from when that is known.
    func callerMaximum(of total: Int) -> Int? {
        switch self {
        case .head, .body, .wait: maximum(of: total) / 2
        case .download: nil
        }
    }
}

/// Why memory is not reserved.
public enum MemoryRefusal: Error, Sendable, Hashable {
    /// The caller has as much of this kind as one can have: so many bytes.
    case caller(limit: Int)
    /// There is nothing left for this kind.
    case full
    /// The reservation was given up before: nothing more can be reserved with it.
    case released
}
