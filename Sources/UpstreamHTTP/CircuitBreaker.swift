import Exports

/// Stops calling an upstream that fails again and again; one call at a time then tries whether it is back.
///
/// No clock of its own: every event says what time it is. Only harmless calls try: a POST is never a probe.
struct CircuitBreaker: Sendable {
    private enum State: Equatable {
        case closed(failures: Int)
        case open(until: Timestamp, rest: Duration)
        case probing(since: Timestamp, rest: Duration)
    }

    static let threshold = 5
    static let firstRest = Duration.seconds(5)
    static let longestRest = Duration.seconds(60)
    /// A probe that has not come back by then has been lost; the next may go.
    static let probeTime = Duration.seconds(60)

    private var state = State.closed(failures: 0)

    var isOpen: Bool { if case .closed = state { false } else { true } }

    /// Nil lets the call pass; else the time to wait.
    mutating func request(at now: Timestamp, isProbe: Bool) -> Duration? {
        switch state {
        case .closed: return nil
        case .open(let until, let rest):
            if now < until { return until - now }
            guard isProbe else { return .seconds(1) }
            state = .probing(since: now, rest: rest)
            return nil
        case .probing(let since, let rest):
            if now < since + Self.probeTime || !isProbe { return .seconds(1) }
            state = .probing(since: now, rest: rest)
            return nil
        }
    }

    mutating func succeeded() { state = .closed(failures: 0) }

    mutating func failed(at now: Timestamp) {
        switch state {
        case .closed(let failures) where failures + 1 < Self.threshold: state = .closed(failures: failures + 1)
        case .closed: state = .open(until: now + Self.firstRest, rest: Self.firstRest)
        case .open: break
        case .probing(_, let rest):
            let longer = min(rest * 2, Self.longestRest)
            state = .open(until: now + longer, rest: longer)
        }
    }
}
