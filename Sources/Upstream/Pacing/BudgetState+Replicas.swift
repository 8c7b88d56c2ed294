import Exports

// What the state needs where replicas share a budget.
extension BudgetState {
    func admits(at now: Int64) -> Bool { admitsUntil.map { now < $0 } ?? true }

    /// Admits calls until a time only.
    mutating func admit(until deadline: Timestamp, at time: Timestamp) {
        let now = clock(time)
        admitsUntil = now + (deadline - time).milliseconds
        settle(now)
    }

    /// Admits no calls. Those that wait go on waiting.
    mutating func admitNone() { admitsUntil = .min }

    /// How much longer calls are admitted.
    mutating func admits(at time: Timestamp) -> Duration {
        let now = clock(time)
        return .milliseconds(admitsUntil.map { max(0, $0 < now ? 0 : $0 - now) } ?? .max)
    }

    /// Counts the whole budget as used up to this moment, and by calls that are still to reach the upstream within `arrival`.
    mutating func fill(arrival: Duration, at time: Timestamp) {
        let now = clock(time)
        guard let window else { return }
        self.window?.fill(until: now + arrival.milliseconds + window.per + window.slack)
    }

    /// What a former leader has told, some time ago.
    mutating func replaceFilling(by freeIn: [Duration], toldAt: Timestamp, limit: Int, at time: Timestamp) {
        let now = clock(time)
        let age = (time - toldAt).milliseconds
        window?.replaceFilling(by: freeIn.map { now - age + $0.milliseconds }, limit: limit, at: now)
        settle(now)
    }

    /// How long until each place that is taken is free.
    mutating func freeIn(arrival: Duration, at time: Timestamp) -> [Duration] {
        let now = clock(time)
        return (window?.freeIn(arrival: arrival.milliseconds, at: now) ?? []).map { .milliseconds($0) }
    }

    /// Places are numbered from here on, so that no two leaders give the same number.
    mutating func numberPlaces(from first: UInt64) { window.map { window?.nextPlace = max($0.nextPlace, first) } }

    mutating func limit(_ place: UInt64, for duration: Duration, at time: Timestamp) {
        let now = clock(time)
        window?.limit(place, until: now + duration.milliseconds)
    }

    /// Nobody will tell when the call is answered: it reaches the upstream within `arrival`.
    mutating func abandoned(_ place: UInt64, arrival: Duration, at time: Timestamp) {
        let now = clock(time)
        window?.answered(place, at: now + arrival.milliseconds)
        settle(now)
    }

    mutating func adopt(_ limit: Int, at time: Timestamp) {
        let now = clock(time)
        window?.adopt(limit, at: now)
    }

    /// Drops the places in the queue of work that was sent back: it asks another replica from now on.
    mutating func dropQueue() {
        for priority in Array(queued.keys) { queued[priority] = QueuedCalls() }
    }
}
