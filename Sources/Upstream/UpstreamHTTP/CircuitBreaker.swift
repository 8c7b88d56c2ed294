import Exports

/// Stops the calls to an upstream that fails again and again. After a pause, one call at a time tests whether it works again.
///
/// It has no clock: every event has its time. Harmless calls test first. If none comes for a while, any call may test; otherwise a
/// connection that only starts exports would never notice that its upstream works again.
struct CircuitBreaker: Sendable {
    private enum State: Equatable {
        case closed(failures: Int)
        case open(until: Timestamp, rest: Duration)
        case probing(since: Timestamp, rest: Duration)
    }

    static let threshold = 5
    static let firstRest = Duration.seconds(5)
    static let longestRest = Duration.seconds(60)
    /// After this time without a result, a test call counts as lost, and the next call may test.
    static let probeTime = Duration.seconds(60)
    /// How long after the pause only harmless calls may test.
    static let harmlessFirst = Duration.seconds(5)

    private var state = State.closed(failures: 0)

    var isOpen: Bool { if case .closed = state { false } else { true } }

    /// Asks whether a call may be made. Returns nil if it may, otherwise how long to wait.
    mutating func request(at now: Timestamp, isHarmless: Bool) -> Duration? {
        let (since, rest): (Timestamp, Duration)
        switch state {
        case .closed: return nil
        case .open(let until, let length): (since, rest) = (until, length)
        case .probing(let began, let length): (since, rest) = (began + Self.probeTime, length)
        }
        let allowed = isHarmless ? since : since + Self.harmlessFirst
        // No pause is that long, so the clock was set back. That must not prolong the pause.
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

    /// A permitted call was not made, or its result will not be known: the next one may test.
    mutating func gaveUp(at now: Timestamp) {
        if case .probing(_, let rest) = state { state = .open(until: now, rest: rest) }
    }
}
