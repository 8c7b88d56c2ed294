import Exports

/// An ask of another replica.
struct AskKey: Sendable, Hashable {
    var replica: String
    var number: UInt64
}

/// An ask that the leader has taken in.
struct ServedAsk: Sendable {
    /// As the ask that came first said.
    var sentAt: Int64
    var receivedAt: Int64
    var heardAt: Int64
    /// Nil once it was answered.
    var ticket: UInt64?
    var answer: BudgetMessage?
    /// The place that it has now.
    var place: UInt64?
}

// What a replica does that leads.
extension ReplicaBudgetState {
    mutating func receive(_ ask: BudgetAsk, from replica: String, at time: Timestamp) {
        guard case .leading = role else { return }
        let key = AskKey(replica: replica, number: ask.number)
        let now = time.milliseconds
        if let former = served[key] {
            served[key]?.heardAt = now
            if let answer = former.answer {
                tell(replica, answer)
            } else if former.ticket != nil {
                tell(replica, .waiting(ask: ask.number))
            }
            return
        }
        sweep(now)
        guard served.count < 8 * BudgetLimits.asks,
            serving.values.count(where: { $0.replica == replica }) < BudgetLimits.asks
        else {
            let wait = BudgetLimits.message
            let place = QueuePlace(position: BudgetLimits.asks + 1, estimatedWait: wait)
            return tell(replica, .queued(ask: ask.number, place, comeBackIn: wait))
        }
        let ticket = budget.ask(ask.call, at: time)
        served[key] = ServedAsk(sentAt: ask.sentAt, receivedAt: now, heardAt: now, ticket: ticket)
        serving[ticket] = key
        serve(at: time)
        if serving[ticket] != nil { tell(replica, .waiting(ask: ask.number)) }
    }

    /// Tells the other replicas what has become of their calls.
    mutating func serve(at time: Timestamp) {
        guard !serving.isEmpty else { return }
        for ticket in budget.answeredTickets.sorted() {
            guard let key = serving.removeValue(forKey: ticket), let ask = served[key],
                let outcome = budget.outcome(of: ticket)
            else { continue }
            let answer = answer(outcome, key.number, ask, at: time)
            served[key]?.ticket = nil
            served[key]?.answer = answer
            if case .admitted(let place) = outcome { served[key]?.place = place }
            tell(key.replica, answer)
        }
    }

    private mutating func answer(
        _ outcome: BudgetState.Outcome,
        _ number: UInt64,
        _ ask: ServedAsk,
        at time: Timestamp
    ) -> BudgetMessage {
        switch outcome {
        case .queued(let place, let wait): return .queued(ask: number, place, comeBackIn: wait)
        case .held(let rest): return .held(ask: number, rest)
        case .admitted(let place):
            budget.limit(place, for: BudgetLimits.unsent + BudgetLimits.call, at: time)
            return .granted(
                BudgetGrant(
                    ask: number,
                    place: place,
                    sentAt: ask.sentAt,
                    waited: .milliseconds(time.milliseconds - ask.receivedAt),
                    validFor: min(BudgetLimits.unsent, budget.admits(at: time))
                )
            )
        }
    }

    /// The call will not use a place.
    mutating func left(_ number: UInt64, by replica: String, at time: Timestamp) {
        let key = AskKey(replica: replica, number: number)
        guard let ask = served[key] else { return }
        drop(key, at: time)
        if let place = ask.place { budget.giveBack(place, at: time) }
        serve(at: time)
    }

    /// A call of another replica has come to its end, so that a grant that it asks for once more is not sent again.
    mutating func callEnded(_ place: UInt64, of replica: String) {
        guard let ask = served.first(where: { $0.value.place == place && $0.key.replica == replica }) else { return }
        served[ask.key]?.place = nil
        served[ask.key]?.answer = nil
    }

    private mutating func drop(_ key: AskKey, at time: Timestamp) {
        guard let ticket = served.removeValue(forKey: key)?.ticket else { return }
        serving[ticket] = nil
        budget.leave(ticket, at: time)
    }

    /// Drops calls that wait and are not repeated any more.
    mutating func dropUnheard(at time: Timestamp) {
        let oldest = time.milliseconds - BudgetLimits.unheard.milliseconds
        for (_, key) in serving.sorted(by: { $0.key < $1.key }) where (served[key]?.heardAt ?? 0) <= oldest {
            drop(key, at: time)
        }
    }

    var nextServedChange: Int64? {
        serving.values.compactMap { served[$0]?.heardAt }.min().map { $0 + BudgetLimits.unheard.milliseconds }
    }

    /// Drops the answers that nobody asks for any more.
    private mutating func sweep(_ now: Int64) {
        guard now >= nextSweep else { return }
        nextSweep = now + 1000
        let longest = BudgetLimits.unheard + BudgetLimits.unsent + BudgetLimits.call
        served = served.filter { _, ask in
            // After the longest time, a place without word has come to its limit.
            let kept = ask.place == nil ? BudgetLimits.answer : longest
            return ask.ticket != nil || now - ask.heardAt < kept.milliseconds
        }
    }

    /// The replicas whose registration is valid. One that is missing twice is gone: the first view may have been read before the
    /// replica came. Its calls reached the upstream before, or are on their way.
    mutating func sees(_ replicas: Set<String>, at time: Timestamp) {
        let askers = Set(served.keys.map(\.replica))
        missing = Dictionary(
            uniqueKeysWithValues: askers.subtracting(replicas).map { ($0, (missing[$0] ?? 0) + 1) }
        )
        let gone = served.filter { (missing[$0.key.replica] ?? 0) > 1 }
        for (key, ask) in gone.sorted(by: { $0.value.receivedAt < $1.value.receivedAt }) {
            drop(key, at: time)
            if let place = ask.place { budget.abandoned(place, arrival: BudgetLimits.way, at: time) }
        }
        serve(at: time)
    }

    /// Drops the calls of other replicas: they ask the next leader. Places that they have keep their limits.
    mutating func stopServing(at time: Timestamp) {
        let tickets = serving.keys.sorted()
        (serving, served, missing) = ([:], [:], [:])
        for ticket in tickets { budget.leave(ticket, at: time) }
    }
}
