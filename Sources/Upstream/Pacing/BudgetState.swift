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
/// - Everything is bounded: `waitersPerClass` calls of a class wait, each until its patience ends; where more would, those of
///   callers with many give way to those of callers with few. Whoever cannot get a place
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
    /// Where more than 6,000 wait, 20 ms for each, because each time costs a write.
    public static let longestAway = Duration.seconds(120)
    static let awayForEach: Int64 = 20
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

    var window: BudgetWindow?
    var lines: [CallPriority: WaitingLine] = [:]
    var queued: [CallPriority: QueuedCalls] = [.start: QueuedCalls(), .poll: QueuedCalls()]
    var holds: [String: Int64] = [:]
    var outcomes: [UInt64: Outcome] = [:]
    private var nextTicket: UInt64 = 1
    /// For each class, how many calls of others were admitted since its turn while it waited: also by calls that were sent back
    /// since, because polls come and go.
    var passedOver: [CallPriority: Int] = [:]
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
            // Work that goes on has no place of its own: what is kept for it is that of its next first call.
            guard let waiter = lines[priority]?.remove(ticket), waiter.call.continues == nil,
                let work = waiter.call.work
            else { continue }
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
            queueLength: Dictionary(uniqueKeysWithValues: CallPriority.allCases.map { ($0, queueLength($0)) }),
            nextPlaceIn: .milliseconds((window?.nextTime(for: .caller, at: now) ?? now) - now)
        )
    }

    /// How many calls of a class wait.
    func waiting(_ priority: CallPriority) -> Int { lines[priority]?.count ?? 0 }

    /// How many calls of a class have no place yet: those that wait, and those that come back later.
    func queueLength(_ priority: CallPriority) -> Int { waitingWithoutOrder(priority) + (queued[priority]?.count ?? 0) }

    /// How many of those that wait have no place of their own among `queued`.
    func waitingWithoutOrder(_ priority: CallPriority) -> Int {
        guard let queued = queued[priority] else { return waiting(priority) }
        return lines[priority]?.waiters.count { $0.call.work.map { queued.order(of: $0) == nil } ?? true } ?? 0
    }

    /// The budget's own time: of a clock that is set back, what goes on from there counts.
    private mutating func clock(_ time: Timestamp) -> Int64 {
        if let latest { elapsed += max(0, (time - latest).milliseconds) }
        latest = time
        return elapsed
    }
}
