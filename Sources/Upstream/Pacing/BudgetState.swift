public import Exports

/// One request budget as a state machine: which calls are admitted now, which wait, and which have to come back later.
///
/// - In any period of the budget's length, the upstream receives at most as many calls as it allows (`BudgetWindow`).
/// - Each class has its own queue. `caller` comes before `start`, and `start` before `poll`. But at most two calls of other
///   classes go before a waiting start, and at most three or four before a waiting poll. Where all classes wait, they get 4, 3
///   and 2 of nine places. Starts and polls use half of the budget at once and the rest at an even pace, which leaves places
///   for callers.
/// - Within a class, callers take turns by their weights; within a caller, its exports take turns.
/// - Work of several calls that is under way comes before other work of its class, the oldest first, in at least two of three
///   places. So each piece of work is completed, however few places there are.
/// - A `Retry-After` of the upstream holds only the calls to that host.
/// - Everything is bounded. At most `waitersPerClass` calls of a class wait, each until its patience ends. Beyond that, calls
///   of callers with many are evicted for those of callers with few. A call that cannot get a place in time is told so at once.
///   Starts and polls keep their place in the queue from their first coming until they are made, also while they are sent back.
///   When they come back, the first `startsThatWait` starts wait however long it takes, up to `longestWait`.
///
/// No clock and no I/O: every event has its time. A clock that is set back makes nothing longer.
public struct BudgetState: Sendable {
    /// The most calls of a class that wait at once.
    public static let waitersPerClass = 256
    /// How many starts wait for their place when the wait is long. The others, and all polls, come back when their place is
    /// nearer.
    public static let startsThatWait = 2
    /// How long these starts wait before they come back too, and how long a call waits that continues work under way. In this
    /// time a poll has had two places even with one call a minute, where callers and starts wait too.
    public static let longestWait = Duration.seconds(600)
    /// A call that was sent back comes again after this time at the latest, however far away its place is, because others may
    /// leave the queue. With more than 6,000 waiting calls it is 20 ms for each of them, because each time costs a write.
    public static let longestAway = Duration.seconds(120)
    static let awayForEach: Int64 = 20
    /// How long a host is held at most, whatever it asks for.
    public static let longestHold = Duration.seconds(3600)
    /// How many hosts are held at once. Beyond that, those that are held longest are kept.
    static let heldHosts = 64

    /// The outcome of a call.
    public enum Outcome: Sendable, Hashable {
        /// It may be made, with this place.
        case admitted(UInt64)
        /// No place within its patience. It has the call's place in the queue, and when to ask again.
        case queued(QueuePlace, comeBackIn: Duration)
        /// The upstream asked for a pause that is longer than the call's patience.
        case held(Duration)
    }

    var window: BudgetWindow?
    var lines: [CallPriority: WaitingLine] = [:]
    var queued: [CallPriority: QueuedCalls] = [.start: QueuedCalls(), .poll: QueuedCalls()]
    var holds: [String: Int64] = [:]
    var outcomes: [UInt64: Outcome] = [:]
    /// Calls are admitted before this time only; nil for always. A replica that does not lead the budget admits none.
    var admitsUntil: Int64?
    private var nextTicket: UInt64 = 1
    /// For each class, how many calls of other classes were admitted since its last turn while it waited. It counts calls that
    /// were sent back since too, because polls come and go.
    var passedOver: [CallPriority: Int] = [:]
    /// The budget's own time: it advances with the clock, and never goes back.
    private var elapsed: Int64 = 0
    private var latest: Timestamp?

    /// Makes the state of a budget. With nil there is no limit: calls wait only for holds.
    public init(_ budget: RequestBudget?) { window = budget.map { BudgetWindow($0) } }

    // MARK: Calls

    /// Asks for a place. Returns a ticket: `outcome(of:)` has the answer, at once or later.
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

    /// Takes the outcome of a call, once; nil while it waits.
    public mutating func outcome(of ticket: UInt64) -> Outcome? { outcomes.removeValue(forKey: ticket) }

    /// The tickets whose outcome was not taken yet.
    var answeredTickets: [UInt64] { Array(outcomes.keys) }

    /// Whether a call needs no place: there is no limit and no hold for its host.
    func isUnbounded(_ call: PacedCall) -> Bool { window == nil && holds[call.host] == nil }

    /// Withdraws a call: it leaves the queue, and gives back its place if it has one.
    public mutating func leave(_ ticket: UInt64, at time: Timestamp) {
        let now = clock(time)
        for priority in CallPriority.allCases {
            // A call that continues work has no place in `queued`. A place there belongs to the next piece of the same work.
            guard let waiter = lines[priority]?.remove(ticket), waiter.call.continues == nil,
                let work = waiter.call.work
            else { continue }
            queued[priority]?.remove(work)
        }
        if case .admitted(let place) = outcomes.removeValue(forKey: ticket) { window?.giveBack(place) }
        settle(now)
    }

    /// Removes the place of some work in the queue: it needs no further calls.
    public mutating func remove(_ work: PacedWork) {
        for priority in Array(queued.keys) { queued[priority]?.remove(work) }
    }

    /// Admits the calls that may be made now, and refuses those that have waited too long.
    public mutating func settle(at time: Timestamp) { settle(clock(time)) }

    /// How long until `settle` must be called again if nothing else happens; nil while nothing waits.
    public mutating func nextChange(at time: Timestamp) -> Duration? {
        let now = clock(time)
        var next: Int64?
        for (priority, line) in lines where line.count > 0 {
            let place = admits(at: now) ? nextPlace(for: priority, at: now) : .max
            for waiter in line.waiters {
                let mayGo = max(place, holds[waiter.call.host] ?? now)
                next = min(next ?? .max, min(mayGo, waiter.deadline))
            }
        }
        return next.map { .milliseconds(max(0, $0 - now)) }
    }

    // MARK: Places

    /// The call is sent only now.
    public mutating func sending(_ place: UInt64, at time: Timestamp) {
        let now = clock(time)
        window?.sending(place, at: now)
    }

    /// The upstream has answered the call, or no answer will come any more.
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

    /// The upstream has refused the call with 429. Call this before `answered`.
    public mutating func throttled(_ place: UInt64, at time: Timestamp) {
        let now = clock(time)
        window?.slowDown(place, at: now)
    }

    /// A host asked for a pause; it lasts at most `longestHold`.
    public mutating func hold(_ host: String, for duration: Duration, at time: Timestamp) {
        let now = clock(time)
        holds = holds.filter { $0.value > now }
        holds[host] = max(holds[host] ?? now, now + min(duration, Self.longestHold).milliseconds)
        if holds.count > Self.heldHosts, let first = holds.min(by: { $0.value < $1.value }) { holds[first.key] = nil }
        settle(now)
    }

    /// How long a host must not be called yet; nil for one that may be called.
    public mutating func hold(of host: String, at time: Timestamp) -> Duration? {
        let now = clock(time)
        return holds[host].flatMap { $0 > now ? .milliseconds($0 - now) : nil }
    }

    /// The operator has changed the budget. A state that has a limit keeps one, and one that has none stays so.
    public mutating func resize(to budget: RequestBudget, at time: Timestamp) {
        let now = clock(time)
        window?.resize(to: budget, at: now)
        settle(now)
    }

    // MARK: What is shown

    /// The usage of the budget.
    public mutating func usage(at time: Timestamp) -> BudgetUsage {
        let now = clock(time)
        let used = window?.used(at: now) ?? 0
        return BudgetUsage(
            limit: window?.limit,
            used: used,
            queueLength: Dictionary(uniqueKeysWithValues: CallPriority.allCases.map { ($0, queueLength($0)) }),
            nextPlaceIn: .milliseconds((window?.nextTime(for: .caller, at: now) ?? now) - now)
        )
    }

    /// How many calls of a class wait.
    func waiting(_ priority: CallPriority) -> Int { lines[priority]?.count ?? 0 }

    /// How many calls of a class have no place yet: those that wait and those that come back later.
    func queueLength(_ priority: CallPriority) -> Int { waitingWithoutOrder(priority) + (queued[priority]?.count ?? 0) }

    /// How many waiting calls have no place of their own in `queued`.
    func waitingWithoutOrder(_ priority: CallPriority) -> Int {
        guard let queued = queued[priority] else { return waiting(priority) }
        return lines[priority]?.waiters.count { $0.call.work.map { queued.order(of: $0) == nil } ?? true } ?? 0
    }

    /// The budget's own time. When the clock is set back, the time goes on from where it was.
    mutating func clock(_ time: Timestamp) -> Int64 {
        if let latest { elapsed += max(0, (time - latest).milliseconds) }
        latest = time
        return elapsed
    }
}
