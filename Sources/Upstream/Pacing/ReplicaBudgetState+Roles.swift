import Exports

// Who leads, and how long this replica may act.
extension ReplicaBudgetState {
    /// The budget is shared from now on, and nobody is known to lead.
    mutating func share() {
        guard role == .alone else { return }
        role = .nobody
        budget.admitNone()
    }

    /// The registration of this replica, and its lease, are valid until `deadline`.
    mutating func isValid(until deadline: Timestamp, at time: Timestamp) {
        if time.milliseconds >= validUntil {
            // The registration may be a new one, with a new id: nobody answers to the former one.
            registration += 1
            moveAsks()
        }
        validUntil = deadline.milliseconds
        if case .leading = role {
            budget.admit(until: deadline, at: time)
            show(at: time)
        }
        serve(at: time)
    }

    /// This replica leads. With an epoch above 1 somebody has led before, and nobody knows with how many calls.
    mutating func lead(epoch: Int64, at time: Timestamp) {
        guard role != .alone, role != .leading(epoch: epoch) else { return }
        stopServing(at: time)
        role = .leading(epoch: epoch)
        moveAsks()
        told = nil
        // Where nobody else has led in between, this replica knows what was spent.
        if countsFormerCalls, epoch > 1, lastEpoch != epoch - 1 {
            budget.fill(arrival: BudgetLimits.unsent + BudgetLimits.way, at: time)
            believeFormerLeader(at: time)
        }
        lastEpoch = epoch
        firstPlace = (UInt64(clamping: epoch) & 0x3FFF_FFFF) << 32
        budget.numberPlaces(from: firstPlace)
        budget.admit(until: Timestamp(milliseconds: validUntil), at: time)
        serve(at: time)
    }

    /// Another replica leads, and this one asks it for places.
    mutating func follow(_ leader: String, at time: Timestamp) {
        guard role != .alone, role != .following(leader) else { return }
        stopLeading(at: time)
        role = .following(leader)
        budget.dropQueue()
        told = nil
        moveAsks()
        moveWaiters(at: time)
    }

    /// Nobody is known to lead.
    mutating func nobodyLeads(at time: Timestamp) {
        guard role != .alone, role != .nobody else { return }
        stopLeading(at: time)
        role = .nobody
        told = nil
        moveAsks()
    }

    private mutating func stopLeading(at time: Timestamp) {
        budget.admitNone()
        stopServing(at: time)
        guard case .leading(let epoch) = role else { return }
        shown = nil
        // What is under way has been sent already, or will be in the time that its place may be used.
        let freeIn = budget.freeIn(arrival: BudgetLimits.unsent + BudgetLimits.way, at: time)
        guard let limit = budget.window?.limit, freeIn.count <= BudgetLimits.handedOver else { return }
        tell(nil, .handedOver(epoch: epoch, freeIn: freeIn, limit: limit))
    }

    /// A former leader has told what it has spent, before or after this replica got the lease.
    mutating func believeFormerLeader(at time: Timestamp) {
        guard case .leading(let epoch) = role, let former = handedOver, former.epoch == epoch - 1 else { return }
        handedOver = nil
        budget.replaceFilling(by: former.freeIn, toldAt: former.at, limit: former.limit, at: time)
    }

    /// Calls of this replica that wait here ask again.
    private mutating func moveWaiters(at time: Timestamp) {
        for ticket in waitingTickets {
            budget.leave(ticket, at: time)
            outcomes[ticket] = .moved
        }
    }

    /// The calls of this replica that wait here, or whose outcome was not taken yet.
    private var waitingTickets: [UInt64] {
        CallPriority.allCases.flatMap { budget.lines[$0]?.waiters.map(\.ticket) ?? [] } + budget.outcomes.keys
    }

    private mutating func show(at time: Timestamp) {
        let usage = budget.usage(at: time)
        // What has changed, and what is not nothing: a replica that has just come does not know it yet.
        guard usage != shown || usage.used > 0 || usage.queueLength.values.contains(where: { $0 > 0 }) else { return }
        shown = usage
        tell(nil, .status(usage))
    }
}
