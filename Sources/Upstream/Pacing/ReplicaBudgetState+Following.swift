import Exports

/// A call of this replica that waits with the leader.
struct AskedPlace: Sendable {
    var call: PacedCall
    var leader: String
    var askedAt: Int64
    /// When the leader has said last that it waits there.
    var heardAt: Int64?
    var repeatsAt: Int64

    /// When it is given up if nothing is heard: the leader has refused it by then, or is not there.
    var givenUpAt: Int64 {
        let patience = askedAt + call.patience.milliseconds
        return max(patience, (heardAt ?? .min / 2) + BudgetLimits.repeat.milliseconds)
            + BudgetLimits.message.milliseconds
    }
}

/// The numbers that were seen last, each with a mark.
struct RecentAsks: Sendable {
    private var marks: [UInt64: Bool] = [:]
    private var order: [UInt64] = []
    private var oldest = 0

    subscript(number: UInt64) -> Bool? { marks[number] }

    mutating func insert(_ number: UInt64, _ mark: Bool) {
        guard marks.updateValue(mark, forKey: number) == nil else { return }
        guard order.count == BudgetLimits.endedAsks else { return order.append(number) }
        marks[order[oldest]] = nil
        order[oldest] = number
        oldest = (oldest + 1) % order.count
    }
}

// What a replica does that follows.
extension ReplicaBudgetState {
    mutating func ask(_ leader: String, _ call: PacedCall, at time: Timestamp) -> UInt64 {
        let number = nextAsk
        nextAsk += 1
        if let rest = budget.hold(of: call.host, at: time), rest > call.patience {
            outcomes[number] = .held(rest)
            return number
        }
        guard asked.count < BudgetLimits.asks else {
            outcomes[number] = noWord
            return number
        }
        let now = time.milliseconds
        asked[number] = AskedPlace(call: call, leader: leader, askedAt: now, repeatsAt: now + 1000)
        tell(leader, .ask(BudgetAsk(number: number, sentAt: now, call: call)))
        return number
    }

    /// The refusal where the leader has none of its own.
    private var noWord: Outcome {
        .queued(
            QueuePlace(position: asked.count + 1, estimatedWait: BudgetLimits.message),
            comeBackIn: BudgetLimits.message
        )
    }

    /// Repeats the asks that wait, and gives up those that nothing is heard of.
    mutating func repeatAsks(at time: Timestamp) {
        let now = time.milliseconds
        let due = asked.filter { min($0.value.repeatsAt, $0.value.givenUpAt) <= now }
        for (number, ask) in due.sorted(by: { $0.key < $1.key }) {
            guard now < ask.givenUpAt else {
                withdraw(number)
                outcomes[number] = noWord
                continue
            }
            var call = ask.call
            call.patience = max(.zero, call.patience - .milliseconds(now - ask.askedAt))
            asked[number]?.repeatsAt = now + BudgetLimits.repeat.milliseconds
            tell(ask.leader, .ask(BudgetAsk(number: number, sentAt: now, call: call)))
        }
    }

    var nextAskChange: Int64? { asked.values.map { min($0.repeatsAt, $0.givenUpAt) }.min() }

    /// The call waits no longer with the leader. A place that it may have got there is not used.
    mutating func withdraw(_ number: UInt64) {
        guard let ask = asked.removeValue(forKey: number) else { return }
        endedAsks.insert(number, false)
        tell(ask.leader, .leave(ask: number))
    }

    /// The calls that wait with a leader ask again.
    mutating func moveAsks() {
        for number in asked.keys.sorted() {
            withdraw(number)
            outcomes[number] = .moved
        }
    }

    mutating func granted(_ grant: BudgetGrant, by leader: String, at time: Timestamp) {
        let now = time.milliseconds
        guard let ask = asked[grant.ask], ask.leader == leader else {
            // A place is given back only where it is certain that it was not used.
            if endedAsks[grant.ask] == false { tell(leader, .givenBack(place: grant.place)) }
            return
        }
        // The place was given after that time, by the clock of this replica, and the call is sent in time after it.
        let grantedAt = grant.sentAt + grant.waited.milliseconds
        let place = RemotePlace(
            id: grant.place,
            leader: leader,
            usableUntil: grantedAt + grant.validFor.milliseconds,
            registration: registration
        )
        asked[grant.ask] = nil
        guard now - grantedAt <= BudgetLimits.message.milliseconds, now < min(place.usableUntil, validUntil) else {
            endedAsks.insert(grant.ask, false)
            tell(leader, .givenBack(place: grant.place))
            outcomes[grant.ask] = .queued(
                QueuePlace(position: 1, estimatedWait: .seconds(1)),
                comeBackIn: .seconds(1)
            )
            return
        }
        endedAsks.insert(grant.ask, true)
        outcomes[grant.ask] = .admitted(.remote(place))
    }

    mutating func refused(_ number: UInt64, by leader: String, _ outcome: Outcome) {
        guard asked[number]?.leader == leader else { return }
        asked[number] = nil
        endedAsks.insert(number, false)
        outcomes[number] = outcome
    }
}
