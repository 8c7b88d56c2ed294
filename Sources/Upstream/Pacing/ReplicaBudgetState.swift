import Exports

/// A budget on one of several replicas that share it, as a state machine.
///
/// One replica *leads*: it has the lease of the budget, and its `BudgetState` has all places. The others *follow*: their calls ask
/// the leader for places by messages, and wait in its queue as its own calls do. While nobody is known to lead, calls wait here
/// until their patience ends. *Alone*, nothing is shared.
///
/// No clock and no I/O: every event has its time, and messages are put into `outbox`. All times are of the replica's monotonic
/// clock.
struct ReplicaBudgetState: Sendable {
    enum Role: Sendable, Hashable {
        case alone, nobody
        case leading(epoch: Int64)
        case following(String)
    }

    /// Whose a place is.
    enum Place: Sendable, Hashable {
        case own(UInt64)
        case remote(RemotePlace)
    }

    /// A place that the leader gave to this replica.
    struct RemotePlace: Sendable, Hashable {
        var id: UInt64
        var leader: String
        /// The call must be sent before.
        var usableUntil: Int64
        /// The registration of this replica for which it was given.
        var registration: UInt64
    }

    /// What becomes of a call.
    enum Outcome: Sendable, Hashable {
        case admitted(Place)
        case queued(QueuePlace, comeBackIn: Duration)
        case held(Duration)
        /// Somebody else leads now: the call asks again.
        case moved

        init(_ outcome: BudgetState.Outcome) {
            self =
                switch outcome {
                case .admitted(let place): .admitted(.own(place))
                case .queued(let place, let wait): .queued(place, comeBackIn: wait)
                case .held(let rest): .held(rest)
                }
        }
    }

    var budget: BudgetState
    var role = Role.alone
    var outbox: [AddressedBudgetMessage] = []
    /// The outcomes of asks, and of calls that have to ask again.
    var outcomes: [UInt64: Outcome] = [:]

    // Following. The number of an ask is the ticket of its call.
    var asked: [UInt64: AskedPlace] = [:]
    var nextAsk: UInt64 = 1 << 62
    /// Asks that have ended, and whether their place was used.
    var endedAsks = RecentAsks()
    /// What the leader has shown last.
    var told: (usage: BudgetUsage, at: Int64)?

    // Leading.
    var served: [AskKey: ServedAsk] = [:]
    /// The asks that wait, by their tickets.
    var serving: [UInt64: AskKey] = [:]
    var throttledPlaces = RecentAsks()
    /// How many views in a row have not had a replica that has asked.
    var missing: [String: Int] = [:]
    var nextSweep: Int64 = .min
    var shown: BudgetUsage?

    // The lease.
    /// When the registration of this replica ends, unless it is renewed.
    var validUntil: Int64 = .min
    /// Counts the registrations: what was given for an earlier one is not used.
    var registration: UInt64 = 0
    var lastEpoch: Int64?
    /// The number of the first place that this leader gives.
    var firstPlace: UInt64 = 0
    var handedOver: (epoch: Int64, freeIn: [Duration], limit: Int, at: Timestamp)?
    /// Whether a new leader counts the whole budget as used. Only a test turns it off.
    var countsFormerCalls = true

    init(_ budget: RequestBudget?) { self.budget = BudgetState(budget) }

    // MARK: Calls

    /// Asks for a place. Returns a ticket: `outcome(of:)` has the answer, at once or later.
    mutating func ask(_ call: PacedCall, at time: Timestamp) -> UInt64 {
        defer { serve(at: time) }
        guard case .following(let leader) = role else { return budget.ask(call, at: time) }
        return ask(leader, call, at: time)
    }

    /// Takes the outcome of a call, once; nil while it waits.
    mutating func outcome(of ticket: UInt64) -> Outcome? {
        outcomes.removeValue(forKey: ticket) ?? budget.outcome(of: ticket).map { Outcome($0) }
    }

    /// The tickets of this replica's own calls whose outcome was not taken yet.
    var answeredTickets: [UInt64] { budget.answeredTickets.filter { serving[$0] == nil } + outcomes.keys }

    /// Withdraws a call: it waits no longer, and gives back its place if it has one.
    mutating func leave(_ ticket: UInt64, at time: Timestamp) {
        if asked[ticket] != nil { withdraw(ticket) }
        if case .admitted(let place) = outcomes.removeValue(forKey: ticket) { giveBack(place, at: time) }
        budget.leave(ticket, at: time)
        serve(at: time)
    }

    /// Admits the calls that may be made now, and refuses those that have waited too long.
    mutating func settle(at time: Timestamp) {
        repeatAsks(at: time)
        budget.settle(at: time)
        dropUnheard(at: time)
        serve(at: time)
    }

    /// How long until `settle` must be called again if nothing else happens; nil while nothing waits.
    mutating func nextChange(at time: Timestamp) -> Duration? {
        let asks = [nextAskChange, nextServedChange].compactMap { $0 }.min()
        return [budget.nextChange(at: time), asks.map { .milliseconds(max(0, $0 - time.milliseconds)) }]
            .compactMap { $0 }.min()
    }

    // MARK: Places

    /// The call is sent only now. Returns false where it must not be sent any more, because the lease has changed hands or the
    /// registration has ended since the place was given: then it has to be given back.
    mutating func sending(_ place: Place, at time: Timestamp) -> Bool {
        switch place {
        case .own(let id):
            switch role {
            case .alone: break
            case .leading where id >= firstPlace && budget.admits(at: time) > .zero: break
            case .leading, .following, .nobody: return false
            }
            budget.sending(id, at: time)
        case .remote(let place):
            let now = time.milliseconds
            guard place.registration == registration, now < place.usableUntil, now < validUntil else { return false }
            tell(place.leader, .sending(place: place.id))
        }
        return true
    }

    /// The upstream has answered the call, or no answer will come any more.
    mutating func answered(_ place: Place, at time: Timestamp) {
        switch place {
        case .own(let id): budget.answered(id, at: time)
        case .remote(let place): tell(place.leader, .answered(place: place.id))
        }
        serve(at: time)
    }

    /// The call was not made.
    mutating func giveBack(_ place: Place, at time: Timestamp) {
        switch place {
        case .own(let id): budget.giveBack(id, at: time)
        case .remote(let place): tell(place.leader, .givenBack(place: place.id))
        }
        serve(at: time)
    }

    /// The upstream has refused the call with 429. Call this before `answered`.
    mutating func throttled(_ place: Place, at time: Timestamp) {
        switch place {
        case .own(let id):
            budget.throttled(id, at: time)
            if role != .alone, let limit = budget.window?.limit { tell(nil, .limited(limit)) }
        case .remote(let place): tell(place.leader, .throttled(place: place.id))
        }
    }

    /// A host asked for a pause.
    mutating func hold(_ host: String, for duration: Duration, at time: Timestamp) {
        budget.hold(host, for: duration, at: time)
        if role != .alone { tell(nil, .hold(host, duration)) }
        serve(at: time)
    }

    /// The operator has changed the budget, on this replica. Who leads counts by its own.
    mutating func resize(to budget: RequestBudget, at time: Timestamp) {
        self.budget.resize(to: budget, at: time)
        serve(at: time)
    }

    /// Removes the place of some work in the queue: it needs no further calls.
    mutating func remove(_ work: PacedWork) {
        if case .following(let leader) = role { tell(leader, .removed(work)) }
        budget.remove(work)
    }

    /// What is shown of the budget: by who follows, what the leader has told last.
    mutating func usage(at time: Timestamp) -> BudgetUsage {
        guard case .following = role, let told else { return budget.usage(at: time) }
        var usage = told.usage
        usage.nextPlaceIn = max(.zero, usage.nextPlaceIn - .milliseconds(time.milliseconds - told.at))
        return usage
    }

    mutating func tell(_ replica: String?, _ message: BudgetMessage) {
        outbox.append(AddressedBudgetMessage(to: replica, message))
    }

    /// Takes the messages that are to be sent.
    mutating func takeOutbox() -> [AddressedBudgetMessage] {
        defer { outbox = [] }
        return outbox
    }
}
