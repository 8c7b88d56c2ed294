import Exports

/// One connection's share of what the upstream allows: a token bucket, and a hold that the upstream asked for.
///
/// No clock of its own: every event says what time it is.
struct Pacer: Sendable {
    private let budget: RequestBudget?
    private var available: Double
    private var refilledAt: Timestamp?
    private var held: (since: Timestamp, until: Timestamp)?

    init(budget: RequestBudget?) {
        let budget = budget.map { RequestBudget(max(1, $0.count), per: $0.per) }
        self.budget = budget
        available = Double(budget?.count ?? 0)
    }

    enum Decision: Equatable {
        /// Call after this wait; the place is taken.
        case callAfter(Duration)
        /// Too long to wait; come back after this time.
        case refuse(Duration)
    }

    /// Takes a place for one call, if it is to be had within `patience`.
    mutating func request(at now: Timestamp, patience: Duration) -> Decision {
        refill(at: now)
        // A clock that was set back must not prolong it.
        if let held, now < held.since { self.held = nil }
        let hold = held.map { max(.zero, $0.until - now) } ?? .zero
        var wait = hold
        if let budget, available < 1 {
            let perCall = Double(budget.per.milliseconds) / Double(budget.count)
            wait = max(wait, .milliseconds(Int64(((1 - available) * perCall).rounded(.up))))
        }
        if wait > patience { return .refuse(wait) }
        available -= 1
        return .callAfter(wait)
    }

    /// A place that was taken and not used is free again.
    mutating func giveBack() { available = min(Double(budget?.count ?? 1), available + 1) }

    /// The upstream asked for silence.
    mutating func hold(for duration: Duration, at now: Timestamp) {
        let until = now + min(duration, .seconds(3600))
        held = (now, max(held.map { now < $0.since ? until : $0.until } ?? until, until))
    }

    private mutating func refill(at now: Timestamp) {
        guard let budget else {
            available = 1
            return
        }
        let last = refilledAt ?? now
        refilledAt = now
        let gained = Double((now - last).milliseconds) / Double(max(1, budget.per.milliseconds)) * Double(budget.count)
        available = min(Double(budget.count), available + max(0, gained))
    }
}
