public import Exports

/// One request budget as a state machine: who may call now, who waits, and who has to come back later.
///
/// - In any time of the budget's length, the upstream receives at most so many calls as it allows (`BudgetWindow`).
/// - Classes wait apart: `caller` comes before `start` before `poll`, but two calls of other classes at most go before a start
///   that waits, and three or four before a poll: where all wait, they get 4, 3 and 2 of nine places. Starts and polls use half
///   of the budget at once and the rest at an even pace, which leaves room for callers.
/// - Within a class callers take turns by their weights, and within a caller its exports.
/// - Work of several calls that is under way goes on before other work of its class, the oldest first, in two of three places at
///   least. So one piece of it comes to its end, however few places there are.
/// - What the upstream asks for with `Retry-After` holds the calls to that host only.
/// - Everything is bounded: `waitersPerClass` calls of a class wait, each until its patience ends. Whoever cannot get a place
///   in time is told so at once. Starts and polls keep their place in the line from their first coming until they are made,
///   also while they are sent back. When they come back, the first `startsThatWait` starts wait however long it takes,
///   `longestWait` at most.
///
/// No clock and no I/O: every event says what time it is. A clock that is set back makes nothing longer.
public struct BudgetState: Sendable {
    /// How many calls of a class wait at once.
    public static let waitersPerClass = 256
    /// So many starts wait for their place where the wait is long; the others, and all polls, come back when it has come nearer.
    public static let startsThatWait = 2
    /// For how long those wait before they come back too, and for how long a call waits that goes on with work under way. By then
    /// a poll has had two places even at one call a minute, where callers and starts wait too.
    public static let longestWait = Duration.seconds(600)
    /// After this time at the latest whoever was sent back comes again, however far away its place is: others may leave the line.
    public static let longestAway = Duration.seconds(120)
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
        if let refusal = refusal(of: call, ticket, at: now) {
            outcomes[ticket] = refusal
            return ticket
        }
        let patience = call.priority == .start || isUnderWay(call.priority) ? Self.longestWait : .zero
        let deadline = now + max(call.patience, patience).milliseconds
        let order = keep(call, ticket, until: nil)
        lines[call.priority, default: WaitingLine()]
            .append(.init(ticket: ticket, order: order, call: call, deadline: deadline))
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
        for priority in CallPriority.allCases {
            guard let waiter = lines[priority]?.remove(ticket), let work = waiter.call.work else { continue }
            queued[priority]?.remove(work)
        }
        if case .admitted(let place) = outcomes.removeValue(forKey: ticket) { window?.giveBack(place) }
        settle(now)
    }

    /// Nothing more is to be done about some work: it loses its place in the line.
    public mutating func forget(_ work: PacedWork) {
        for priority in Array(queued.keys) { queued[priority]?.remove(work) }
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
    func queueLength(_ priority: CallPriority) -> Int { waitingWithoutOrder(priority) + (queued[priority]?.count ?? 0) }

    /// How many of those that wait have no place of their own among `queued`.
    private func waitingWithoutOrder(_ priority: CallPriority) -> Int {
        guard let queued = queued[priority] else { return waiting(priority) }
        return lines[priority]?.waiters.count { $0.call.work.map { queued.order(of: $0) == nil } ?? true } ?? 0
    }

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
    private mutating func refusal(of call: PacedCall, _ ticket: UInt64, at now: Int64) -> Outcome? {
        if let end = holds[call.host], end - now > call.patience.milliseconds {
            return held(call, ticket, until: end, now)
        }
        guard window != nil else {
            return waiting(call.priority) >= Self.waitersPerClass
                ? .held(.milliseconds(max(1, (holds[call.host] ?? now) - now))) : nil
        }
        queued[call.priority]?.sweep(at: now, grace: max(30_000, 2 * (window?.interval ?? 0)))
        // Everyone is told first how long it takes.
        let isBack = call.work.flatMap { queued[call.priority]?.order(of: $0) } != nil || call.work == nil
        let index = index(of: call)
        let earliest = earliest(call, index: index, at: now)
        let isTooLong = earliest - now > call.patience.milliseconds
        let isNext = isNext(call, index: index) && isBack
        // Work that is under way is bounded by who does it.
        let isFull = waiting(call.priority) >= Self.waitersPerClass && call.continues == nil
        guard isFull || isTooLong && !isNext else { return nil }
        return sentBack(call, ticket, index: index, earliest: earliest, at: now)
    }

    /// Whether a call is one of the first in line, which wait here. A poll does where work that is under way goes before it: it would
    /// miss its turn else.
    private func isNext(_ call: PacedCall, index: Int) -> Bool {
        switch call.priority {
        case .caller: false
        case .start: index < Self.startsThatWait
        case .poll: isUnderWay(.poll) && index - continuing(.poll) < 1
        }
    }

    private func isUnderWay(_ priority: CallPriority) -> Bool { priority == .poll && continuing(priority) > 0 }

    /// How many of those that wait go on with work that is under way.
    private func continuing(_ priority: CallPriority) -> Int {
        lines[priority]?.waiters.count { $0.call.continues != nil } ?? 0
    }

    /// How many calls of its class come before this one.
    private func index(of call: PacedCall) -> Int {
        guard call.continues == nil else {
            return lines[call.priority]?.waiters.count { $0.call.continues.map { $0 < call.continues ?? 0 } ?? false }
                ?? 0
        }
        guard let queued = queued[call.priority] else { return waiting(call.priority) }
        return waitingWithoutOrder(call.priority) + queued.before(call.work, of: call.caller, weight: call.weight)
    }

    private mutating func earliest(_ call: PacedCall, index: Int, at now: Int64) -> Int64 {
        max(window?.time(of: index, for: call.priority, at: now) ?? now, holds[call.host] ?? now)
    }

    /// Keeps the place of a call in the line, and gives the order of its first coming.
    private mutating func keep(_ call: PacedCall, _ ticket: UInt64, until comesBackAt: Int64?) -> UInt64 {
        // Work that is under way needs none: it goes first.
        guard window != nil, call.continues == nil, let work = call.work, queued[call.priority] != nil else {
            return ticket
        }
        let order = queued[call.priority]?.order(of: work) ?? ticket
        queued[call.priority]?.keep(work, of: call.caller, weight: call.weight, order: order, until: comesBackAt)
        return order
    }

    private mutating func held(_ call: PacedCall, _ ticket: UInt64, until end: Int64, _ now: Int64) -> Outcome {
        // Whoever is held comes back a little later than it may.
        _ = keep(call, ticket, until: end + (end - now) / 4)
        return .held(.milliseconds(end - now))
    }

    private mutating func sentBack(
        _ call: PacedCall,
        _ order: UInt64,
        index: Int,
        earliest: Int64,
        at now: Int64
    ) -> Outcome {
        // A little before its place comes, so that it is there then; whoever is next waits here.
        let isNext = isNext(call, index: index)
        let away = max(1000, min(earliest - call.patience.milliseconds / 2 - now, Self.longestAway.milliseconds))
        let comesBackAt = now + (isNext ? 100 : away)
        _ = keep(call, order, until: comesBackAt)
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
            if waiter.call.continues == nil, let work = waiter.call.work { queued[priority]?.remove(work) }
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
            let call = waiter.call
            if let end = holds[call.host], end > now {
                outcomes[waiter.ticket] = held(call, waiter.order, until: end, now)
            } else {
                let index = index(of: call)
                let earliest = earliest(call, index: index, at: now)
                outcomes[waiter.ticket] = sentBack(call, waiter.order, index: index, earliest: earliest, at: now)
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
