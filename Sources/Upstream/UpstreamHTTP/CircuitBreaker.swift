import Exports

/// Stops calling an upstream that fails again and again; one call at a time then tries whether it is back.
///
/// No clock of its own: every event says what time it is. Harmless calls try first; where none comes, any call does,
/// or a connection that only starts exports would never find out that its upstream is back.
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
    /// How long after the rest only harmless calls may try.
    static let harmlessFirst = Duration.seconds(5)

    private var state = State.closed(failures: 0)

    var isOpen: Bool { if case .closed = state { false } else { true } }

    /// Nil lets the call pass; else the time to wait.
    mutating func request(at now: Timestamp, isHarmless: Bool) -> Duration? {
        let (since, rest): (Timestamp, Duration)
        switch state {
        case .closed: return nil
        case .open(let until, let length): (since, rest) = (until, length)
        case .probing(let began, let length): (since, rest) = (began + Self.probeTime, length)
        }
        let allowed = isHarmless ? since : since + Self.harmlessFirst
        // No rest is as long: the clock was set back, which must not prolong it.
        let wasSetBack = since - now > max(Self.longestRest, Self.probeTime)
        if now < allowed, !wasSetBack {
            if case .probing = state { return .seconds(1) }
            return allowed - now
        }
        state = .probing(since: now, rest: rest)
        return nil
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

    /// A call that was let pass was not made, or its end will not be known: the next one tries.
    mutating func gaveUp(at now: Timestamp) {
        if case .probing(_, let rest) = state { state = .open(until: now, rest: rest) }
    }
}
