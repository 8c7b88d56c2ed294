import Exports

/// The calls of the last period `per`: never more than `count` of them reach the upstream in any such period.
///
/// A call has a place from its admission until `per` after its answer, or after it is known that no answer comes. The upstream
/// received it before that, however long it was on its way. All times are milliseconds of the budget's own clock.
struct BudgetWindow: Sendable {
    let count: Int
    let per: Int64
    /// Added to `per`, because clocks are read in whole milliseconds, and the upstream's clock may run a little slower.
    let slack: Int64
    /// The longest usual time from a call's admission to its answer: the estimate of the next place uses it.
    let usualDuration: Int64
    /// The present limit of calls: `count`, or fewer for a while after a 429.
    var limit: Int
    var limitChangedAt: Int64 = .min
    /// When the calls without an answer were admitted. Their number is bounded by `count`, and their time by the code that
    /// makes them.
    var inFlight: [UInt64: Int64] = [:]
    /// When a call of another replica counts as answered although no word of it has come; see `BudgetLimits`.
    var limits: [UInt64: Int64] = [:]
    /// When the places of answered calls become free again, in order, from `firstAnswered` on.
    var answered: [Int64] = []
    var firstAnswered = 0
    /// When the places become free that were taken for what a former leader has spent.
    var filledUntil: Int64?
    private var latestAdmission: Int64 = .min
    var nextPlace: UInt64 = 1

    init(_ budget: RequestBudget) {
        count = max(1, budget.count)
        per = max(1, budget.per.milliseconds)
        slack = max(10, per / 100)
        usualDuration = min(10_000, per / 6)
        limit = count
    }

    /// The time between two calls at an even pace.
    var interval: Int64 { (per + slack + Int64(limit) - 1) / Int64(limit) }
    /// How many background calls are made at once. Beyond that they keep `interval`, so that a caller finds a place soon.
    private var burst: Int { (limit + 1) / 2 }

    /// The places that are taken.
    mutating func used(at now: Int64) -> Int {
        recover(at: now)
        endOverdue(at: now)
        while firstAnswered < answered.count, answered[firstAnswered] <= now { firstAnswered += 1 }
        if firstAnswered > 1024, firstAnswered * 2 > answered.count {
            answered.removeFirst(firstAnswered)
            firstAnswered = 0
        }
        return inFlight.count + answered.count - firstAnswered
    }

    /// When the next call of a class may be made, if no other takes the place. Not before `now`.
    mutating func nextTime(for priority: CallPriority, at now: Int64) -> Int64 { time(of: 0, for: priority, at: now) }

    /// The earliest time of the call that has `index` others of its class before it, if no other class takes a place.
    mutating func time(of index: Int, for priority: CallPriority, at now: Int64) -> Int64 {
        let used = used(at: now)
        // Each place can be used again after `per`, so an index beyond the limit needs one or more rounds.
        let (round, inRound) = index.quotientAndRemainder(dividingBy: limit)
        var time = now
        if inRound >= limit - used { time = timeOfTaken(inRound - (limit - used), at: now) }
        time += Int64(round) * (per + slack)
        guard priority != .caller else { return time }
        let availableAtOnce = burst - used
        guard index >= availableAtOnce else { return time }
        let spaced = max(now, latestAdmission == .min ? now : latestAdmission + interval)
        return max(time, spaced + Int64(index - max(0, availableAtOnce)) * interval)
    }

    /// When the taken place that has `index` others before it becomes free; `index` must be less than the taken places. For calls
    /// without an answer it is an estimate, as if the answers came in their usual time, or now.
    private func timeOfTaken(_ index: Int, at now: Int64) -> Int64 {
        let next = firstAnswered + index
        if next < answered.count { return answered[next] }
        return max(now, inFlight.values.sorted()[next - answered.count] + usualDuration) + per + slack
    }

    /// Takes a place for a call that is about to be made.
    mutating func admit(at now: Int64) -> UInt64 {
        let id = nextPlace
        nextPlace += 1
        latestAdmission = now
        inFlight[id] = now
        return id
    }

    /// The call is sent only now.
    mutating func sending(_ id: UInt64, at now: Int64) {
        if inFlight[id] != nil { inFlight[id] = now }
    }

    /// The upstream has answered, or no answer will come any more.
    mutating func answered(_ id: UInt64, at now: Int64) {
        guard inFlight.removeValue(forKey: id) != nil else { return }
        limits[id] = nil
        free(at: now + per + slack)
    }

    /// The call was not made: its place is free.
    mutating func giveBack(_ id: UInt64) { (inFlight[id], limits[id]) = (nil, nil) }

    /// The upstream has refused a call with 429: other clients may use the same budget. The limit is halved. Calls that were
    /// under way at the same time count as one refusal.
    mutating func slowDown(_ id: UInt64, at now: Int64) {
        if let admittedAt = inFlight[id], admittedAt < limitChangedAt, limit < count { return }
        limit = max(1, limit / 2)
        limitChangedAt = now
    }

    /// The operator has changed the budget. Calls that were made stay counted, each for the new period where that is longer. A limit
    /// that is lower for a while, because of a 429, does not rise at once.
    mutating func resize(to budget: RequestBudget, at now: Int64) {
        recover(at: now)
        let former = self
        self = BudgetWindow(budget)
        if former.limit < former.count { limit = min(former.limit, count) }
        (limitChangedAt, latestAdmission, nextPlace) = (former.limitChangedAt, former.latestAdmission, former.nextPlace)
        (inFlight, limits) = (former.inFlight, former.limits)
        let longer = max(0, per + slack - former.per - former.slack)
        answered = former.answered[former.firstAnswered...].map { $0 + longer }
        filledUntil = former.filledUntil.map { $0 + longer }
    }

    /// Raises the limit again by a tenth of the budget for each period without a refusal.
    private mutating func recover(at now: Int64) {
        guard limit < count, now - limitChangedAt >= per else { return }
        let steps = (now - limitChangedAt) / per
        limit = Int(min(Int64(count), Int64(limit) + steps * Int64(max(1, count / 10))))
        limitChangedAt += steps * per
    }
}
