// What the window needs where replicas share a budget.
extension BudgetWindow {
    /// Takes all places until `end`: nobody knows how many of them a former leader has used.
    mutating func fill(until end: Int64) {
        // Not fewer for calls under way: they may be over before.
        answered = Array(repeating: end, count: count)
        firstAnswered = 0
        filledUntil = end
    }

    /// A former leader has told when each of the places is free that it has used: the others are free now.
    mutating func replaceFilling(by frees: [Int64], limit: Int, at now: Int64) {
        guard let filledUntil else { return }
        answered = answered[firstAnswered...].filter { $0 != filledUntil }
        firstAnswered = 0
        for free in frees { self.free(at: free) }
        self.filledUntil = nil
        adopt(limit, at: now)
    }

    /// Another replica was refused by the upstream, and makes fewer calls.
    mutating func adopt(_ limit: Int, at now: Int64) {
        guard limit < self.limit else { return }
        self.limit = max(1, limit)
        limitChangedAt = now
    }

    /// How long until each taken place is free, if no call that has no answer yet reaches the upstream after `arrival`.
    func freeIn(arrival: Int64, at now: Int64) -> [Int64] {
        answered[firstAnswered...].filter { $0 > now }.map { $0 - now }
            + inFlight.map { _ in arrival + per + slack }
    }

    /// A call of another replica counts as answered at `end` at the latest.
    mutating func limit(_ id: UInt64, until end: Int64) {
        if inFlight[id] != nil { limits[id] = end }
    }

    mutating func endOverdue(at now: Int64) {
        guard !limits.isEmpty else { return }
        for (id, end) in limits where end <= now { answered(id, at: end) }
    }

    /// Records when a place becomes free. Nearly always it is the last one.
    mutating func free(at time: Int64) {
        var index = answered.count
        while index > firstAnswered, answered[index - 1] > time { index -= 1 }
        answered.insert(time, at: index)
    }
}
