import Exports

/// The calls of the last `per`: never more than `count` of them reach the upstream in any such time.
///
/// A call has a place from its admission until `per` after its answer has come, or after it is known that none comes: the
/// upstream received it before that, however long it was on its way. All times are milliseconds of the budget's own clock.
struct BudgetWindow: Sendable {
    let count: Int
    let per: Int64
    /// What is added to `per`: clocks are read in whole milliseconds, and the upstream's may run a little slower.
    let slack: Int64
    /// How long a call mostly takes from its admission until its answer, at most: what is said of the next place goes by that.
    let usualDuration: Int64
    /// The calls that are admitted now: `count`, or fewer for a while after a 429.
    private(set) var limit: Int
    private var limitChangedAt: Int64 = .min
    /// When the calls without an answer were admitted. How many they are is bounded by `count`, and their time by who makes them.
    private var inFlight: [UInt64: Int64] = [:]
    /// When the places of answered calls are free again, in order, from `firstAnswered` on.
    private var answered: [Int64] = []
    private var firstAnswered = 0
    private var latestAdmission: Int64 = .min
    private var nextPlace: UInt64 = 1

    init(_ budget: RequestBudget) {
        count = max(1, budget.count)
        per = max(1, budget.per.milliseconds)
        slack = max(10, per / 100)
        usualDuration = min(10_000, per / 6)
        limit = count
    }

    /// The time between two calls at an even pace.
    var interval: Int64 { (per + slack + Int64(limit) - 1) / Int64(limit) }
    /// So many calls of the background are made at once; beyond that they keep `interval`, so that a caller finds a place soon.
    private var burst: Int { (limit + 1) / 2 }

    /// The places that are taken.
    mutating func used(at now: Int64) -> Int {
        recover(at: now)
        while firstAnswered < answered.count, answered[firstAnswered] <= now { firstAnswered += 1 }
        if firstAnswered > 1024, firstAnswered * 2 > answered.count {
            answered.removeFirst(firstAnswered)
            firstAnswered = 0
        }
        return inFlight.count + answered.count - firstAnswered
    }

    /// When the next call of a class may go, if nobody else takes the place: not before `now`.
    mutating func nextTime(for priority: CallPriority, at now: Int64) -> Int64 { time(of: 0, for: priority, at: now) }

    /// When the call may go that has `index` others of its class before it: the earliest time, if no other class takes a place.
    mutating func time(of index: Int, for priority: CallPriority, at now: Int64) -> Int64 {
        let used = used(at: now)
        // Each place comes again after its time.
        let (round, inRound) = index.quotientAndRemainder(dividingBy: limit)
        var time = now
        if inRound >= limit - used { time = timeOfTaken(inRound - (limit - used), at: now) }
        time += Int64(round) * (per + slack)
        guard priority != .caller else { return time }
        let roomAtOnce = burst - used
        guard index >= roomAtOnce else { return time }
        let spaced = max(now, latestAdmission == .min ? now : latestAdmission + interval)
        return max(time, spaced + Int64(index - max(0, roomAtOnce)) * interval)
    }

    /// When the taken place is free that has `index` others before it, fewer than are taken. Of those that nobody has answered yet
    /// it is an estimate: as if the answers came in their usual time, or now.
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

    /// The call goes out only now.
    mutating func sending(_ id: UInt64, at now: Int64) {
        if inFlight[id] != nil { inFlight[id] = now }
    }

    /// The upstream has answered, or it will not any more.
    mutating func answered(_ id: UInt64, at now: Int64) {
        guard inFlight.removeValue(forKey: id) != nil else { return }
        answered.append(now + per + slack)
    }

    /// The call was not made: its place is free.
    mutating func giveBack(_ id: UInt64) { inFlight[id] = nil }

    /// The upstream has refused a call, 429: others may draw on the same budget. Half of the calls are made from now on;
    /// those that were under way meanwhile count as one refusal.
    mutating func slowDown(_ id: UInt64, at now: Int64) {
        if let admittedAt = inFlight[id], admittedAt < limitChangedAt, limit < count { return }
        limit = max(1, limit / 2)
        limitChangedAt = now
    }

    /// A tenth of the budget comes back for each `per` without a refusal.
    private mutating func recover(at now: Int64) {
        guard limit < count, now - limitChangedAt >= per else { return }
        let steps = (now - limitChangedAt) / per
        limit = Int(min(Int64(count), Int64(limit) + steps * Int64(max(1, count / 10))))
        limitChangedAt += steps * per
    }
}
