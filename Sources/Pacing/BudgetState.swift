public import Exports

/// One request budget as a state machine: who may call now, who waits, and who has to come back later.
///
/// - In any time of the budget's length, the upstream receives at most so many calls as it allows (`BudgetWindow`).
/// - Classes wait apart: `caller` comes before `start` before `poll`, but two calls of other classes at most go before a start
///   that waits, and three or four before a poll: where all wait, they get 4, 3 and 2 of nine places. Starts and polls use half
///   of the budget at once and the rest at an even pace, which leaves room for callers.
/// - Within a class callers take turns, and within a caller its exports.
/// - What the upstream asks for with `Retry-After` holds the calls to that host only.
/// - Everything is bounded: `waitersPerClass` calls of a class wait, each until its patience ends. Whoever cannot get a place
///   in time is told so at once. Starts and polls that are sent back keep their place in the line. When they come back, the
///   first `startsThatWait` starts wait however long it takes, `longestWait` at most.
///
/// No clock and no I/O: every event says what time it is. A clock that is set back makes nothing longer.
public struct BudgetState: Sendable {
    /// How many calls of a class wait at once.
    public static let waitersPerClass = 256
    /// So many starts wait for their place where the wait is long; the others, and all polls, come back when it has come nearer.
    public static let startsThatWait = 2
    /// For how long those wait before they come back too.
    public static let longestWait = Duration.seconds(600)
    /// For how long a host is held at most, whatever it asks for.
    public static let longestHold = Duration.seconds(3600)
    /// How many hosts are held at once; of more, those are kept that are held longest.
    static let heldHosts = 64

    /// What becomes of a call.
    public enum Outcome: Sendable, Hashable {
        /// It may be made: its place.
        case admitted(UInt64)
        /// No place within its patience: where it stands, and when it makes sense to ask again.
        case queued(QueuePlace, comeBackIn: Duration)
        /// The upstream asked for silence that is longer than its patience.
        case held(Duration)
    }

    private var window: BudgetWindow?
    private var lines: [CallPriority: WaitingLine] = [:]
    private var queued: [CallPriority: QueuedCalls] = [.start: QueuedCalls(), .poll: QueuedCalls()]
    private var holds: [String: Int64] = [:]
    private var outcomes: [UInt64: Outcome] = [:]
    private var nextTicket: UInt64 = 1
    /// For each class, how many calls of others were admitted since its turn while it waited: also by calls that were sent back
    /// since, because polls come and go.
    private var passedOver: [CallPriority: Int] = [:]
    /// The budget's own time: it goes on with the clock, and never back.
    private var elapsed: Int64 = 0
    private var latest: Timestamp?

    /// Makes the state of a budget; nil bounds nothing, so that only holds make calls wait.
    public init(_ budget: RequestBudget?) { window = budget.map { BudgetWindow($0) } }

    // MARK: Calls

    /// Asks for a place: a ticket, with which `outcome(of:)` gives the answer, at once or later.
    public mutating func ask(_ call: PacedCall, at time: Timestamp) -> UInt64 {
        let now = clock(time)
        settle(now)
        let ticket = nextTicket
        nextTicket += 1
        if let refusal = refusal(of: call, at: now) {
            outcomes[ticket] = refusal
            return ticket
        }
        var deadline = now + call.patience.milliseconds
        if call.priority == .start { deadline = max(deadline, now + Self.longestWait.milliseconds) }
        if let export = call.export { queued[call.priority]?.remove(export) }
        lines[call.priority, default: WaitingLine()]
            .append(.init(ticket: ticket, call: call, deadline: deadline))
        settle(now)
        return ticket
    }

    /// What has become of a call, once; nil while it waits.
    public mutating func outcome(of ticket: UInt64) -> Outcome? { outcomes.removeValue(forKey: ticket) }

    /// Who has an answer that was not taken yet.
    var answeredTickets: [UInt64] { Array(outcomes.keys) }

    /// Whether a call may go without any place: nothing bounds calls to its host.
    func isUnbounded(_ call: PacedCall) -> Bool { window == nil && holds[call.host] == nil }

    /// A call is not wanted any more: it leaves the line, and its place if it has got one.
    public mutating func leave(_ ticket: UInt64, at time: Timestamp) {
        let now = clock(time)
        for priority in CallPriority.allCases { _ = lines[priority]?.remove(ticket) }
        if case .admitted(let place) = outcomes.removeValue(forKey: ticket) { window?.giveBack(place) }
        settle(now)
    }

    /// Gives places to whoever may go now, and an answer to whoever has waited for too long.
    public mutating func settle(at time: Timestamp) { settle(clock(time)) }

    /// When to settle again if nothing else happens; nil while nobody waits.
    public mutating func nextChange(at time: Timestamp) -> Duration? {
        let now = clock(time)
        var next: Int64?
        for (priority, line) in lines where line.count > 0 {
            let place = nextPlace(for: priority, at: now)
            for waiter in line.waiters {
                let mayGo = max(place, holds[waiter.call.host] ?? now)
                next = min(next ?? .max, min(mayGo, waiter.deadline))
            }
        }
        return next.map { .milliseconds(max(0, $0 - now)) }
    }

    // MARK: Places

    /// The call goes out only now.
    public mutating func sending(_ place: UInt64, at time: Timestamp) {
        let now = clock(time)
        window?.sending(place, at: now)
    }

    /// The upstream has answered the call, or it will not any more.
    public mutating func answered(_ place: UInt64, at time: Timestamp) {
        let now = clock(time)
        window?.answered(place, at: now)
        settle(now)
    }

    /// The call was not made.
    public mutating func giveBack(_ place: UInt64, at time: Timestamp) {
        let now = clock(time)
        window?.giveBack(place)
        settle(now)
    }

    /// The upstream has refused the call as one too many (429). Before `answered`.
    public mutating func throttled(_ place: UInt64, at time: Timestamp) {
        let now = clock(time)
        window?.slowDown(place, at: now)
    }

    /// A host asked for silence, for `longestHold` at most.
    public mutating func hold(_ host: String, for duration: Duration, at time: Timestamp) {
        let now = clock(time)
        holds = holds.filter { $0.value > now }
        holds[host] = max(holds[host] ?? now, now + min(duration, Self.longestHold).milliseconds)
        if holds.count > Self.heldHosts, let first = holds.min(by: { $0.value < $1.value }) { holds[first.key] = nil }
        settle(now)
    }

    /// For how long a host is still to be left alone; nil for one that may be called.
    public mutating func hold(of host: String, at time: Timestamp) -> Duration? {
        let now = clock(time)
        return holds[host].flatMap { $0 > now ? .milliseconds($0 - now) : nil }
    }

    // MARK: What is shown

    /// How the budget stands.
    public mutating func usage(at time: Timestamp) -> BudgetUsage {
        let now = clock(time)
        let used = window?.used(at: now) ?? 0
        return BudgetUsage(
            limit: window?.limit,
            used: used,
            queueLength: Dictionary(uniqueKeysWithValues: Self.order.map { ($0, queueLength($0)) }),
            nextPlaceIn: .milliseconds((window?.nextTime(for: .caller, at: now) ?? now) - now)
        )
    }

    /// How many calls of a class wait.
    func waiting(_ priority: CallPriority) -> Int { lines[priority]?.count ?? 0 }

    /// How many calls of a class have no place yet: those that wait, and those that come back later.
    func queueLength(_ priority: CallPriority) -> Int { waiting(priority) + (queued[priority]?.count ?? 0) }

    // MARK: The rules

    /// How many calls of other classes go before one of this class that waits.
    private static func mostBefore(_ priority: CallPriority) -> Int {
        switch priority {
        case .caller: .max
        case .start: 2
        case .poll: 3
        }
    }

    private static let order = CallPriority.allCases

    /// Why a call does not even wait.
    private mutating func refusal(of call: PacedCall, at now: Int64) -> Outcome? {
        if let end = holds[call.host], end - now > call.patience.milliseconds { return .held(.milliseconds(end - now)) }
        guard window != nil else {
            return lines[call.priority, default: WaitingLine()].count >= Self.waitersPerClass
                ? .held(.milliseconds(max(1, (holds[call.host] ?? now) - now))) : nil
        }
        let waiting = lines[call.priority]?.count ?? 0
        var index = waiting
        if let export = call.export, queued[call.priority] != nil {
            queued[call.priority]?.sweep(at: now, grace: max(30_000, 2 * (window?.interval ?? 0)))
            index += queued[call.priority]?.before(export, of: call.caller) ?? 0
        }
        let earliest = max(window?.time(of: index, for: call.priority, at: now) ?? now, holds[call.host] ?? now)
        let isTooLong = earliest - now > call.patience.milliseconds
        // Everyone is told first how long it takes.
        let isBack = call.export.flatMap { queued[call.priority]?.contains($0) } ?? true
        let isNext = call.priority == .start && index < Self.startsThatWait && isBack
        guard waiting >= Self.waitersPerClass || isTooLong && !isNext else { return nil }
        return sentBack(call, index: index, earliest: earliest, at: now)
    }

    private mutating func sentBack(_ call: PacedCall, index: Int, earliest: Int64, at now: Int64) -> Outcome {
        // A little before its place comes, so that it is there then; whoever is next waits here.
        let isNext = call.priority == .start && index < Self.startsThatWait
        let comesBackAt = isNext ? now + 100 : max(now + 1000, earliest - call.patience.milliseconds / 2)
        if let export = call.export { queued[call.priority]?.keep(export, of: call.caller, until: comesBackAt) }
        let others = Self.order.filter { $0 != call.priority && waiting($0) > 0 }.count
        return .queued(
            QueuePlace(
                position: index + 1,
                // Where other classes wait too, they get their share.
                estimatedWait: .milliseconds((earliest - now) * Int64(2 + others) / 2)
            ),
            comeBackIn: .milliseconds(comesBackAt - now)
        )
    }

    private mutating func settle(_ now: Int64) {
        while let (priority, waiter) = nextToGo(at: now) {
            _ = lines[priority]?.remove(waiter.ticket)
            lines[priority]?.served(waiter.call)
            for other in Self.order where other != priority && waiting(other) > 0 { passedOver[other, default: 0] += 1 }
            passedOver[priority] = 0
            outcomes[waiter.ticket] = .admitted(window?.admit(at: now) ?? 0)
        }
        for priority in Self.order where (lines[priority]?.count ?? 0) > 0 { refuseWaiters(of: priority, at: now) }
    }

    /// Whose turn it is: a class that others were preferred to often enough, else the most urgent.
    private mutating func nextToGo(at now: Int64) -> (CallPriority, WaitingLine.Waiter)? {
        for priority in Self.order.filter(isOverdue) + Self.order {
            guard let line = lines[priority], line.count > 0,
                nextPlace(for: priority, at: now) <= now,
                let waiter = line.next(where: { holds[$0.call.host] ?? now <= now })
            else { continue }
            return (priority, waiter)
        }
        return nil
    }

    private func isOverdue(_ priority: CallPriority) -> Bool {
        waiting(priority) > 0 && passedOver[priority, default: 0] >= Self.mostBefore(priority)
    }

    /// The even pace leaves room for callers. Where they take all of it, the background still gets its share.
    private mutating func nextPlace(for priority: CallPriority, at now: Int64) -> Int64 {
        let isPaced = !(isOverdue(priority) && waiting(.caller) > 0)
        return window?.nextTime(for: isPaced ? priority : .caller, at: now) ?? now
    }

    private mutating func refuseWaiters(of priority: CallPriority, at now: Int64) {
        let holds = holds
        let over = lines[priority]?
            .removeAll { waiter in
                waiter.deadline <= now || (holds[waiter.call.host] ?? now) - now > waiter.call.patience.milliseconds
            }
        for waiter in over ?? [] {
            if let end = holds[waiter.call.host], end > now {
                outcomes[waiter.ticket] = .held(.milliseconds(end - now))
            } else {
                let earliest = window?.nextTime(for: priority, at: now) ?? now
                outcomes[waiter.ticket] = sentBack(waiter.call, index: 0, earliest: earliest, at: now)
            }
        }
    }

    /// The budget's own time: of a clock that is set back, what goes on from there counts.
    private mutating func clock(_ time: Timestamp) -> Int64 {
        if let latest { elapsed += max(0, (time - latest).milliseconds) }
        latest = time
        return elapsed
    }
}
