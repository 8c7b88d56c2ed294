import Exports

// Which calls are admitted now, which wait, and which come back later.
extension BudgetState {
    /// How many calls of other classes may be admitted before a waiting call of this class.
    private static func mostBefore(_ priority: CallPriority) -> Int {
        switch priority {
        case .caller: .max
        case .start: 2
        case .poll: 3
        }
    }

    private static let order = CallPriority.allCases

    /// Why a call is refused at once; nil when it may wait.
    mutating func refusal(of call: PacedCall, _ ticket: UInt64, at now: Int64) -> Outcome? {
        if let end = holds[call.host], end - now > call.patience.milliseconds {
            return held(call, ticket, until: end, now)
        }
        guard window != nil else {
            return hasCapacity(for: call, at: now)
                ? nil : .held(.milliseconds(max(1, (holds[call.host] ?? now) - now)))
        }
        queued[call.priority]?.sweep(at: now, grace: max(30_000, 2 * (window?.interval ?? 0)))
        // Where the wait is too long, a call that comes for the first time is sent back even if it is one of the first in the
        // queue, because the error tells its caller how long it takes. When it comes again, it may wait.
        let isBack = call.work.flatMap { queued[call.priority]?.order(of: $0) } != nil || call.work == nil
        let index = index(of: call)
        let earliest = earliest(call, index: index, at: now)
        let isTooLong = earliest - now > call.patience.milliseconds
        let isNext = isNext(call, index: index) && isBack
        guard isTooLong && !isNext || !hasCapacity(for: call, at: now) else { return nil }
        return sentBack(call, ticket, index: index, earliest: earliest, at: now)
    }

    /// Whether one more call of a class may wait. In a full queue, the last call of the caller with the most calls (by its
    /// weight) is evicted for a caller with fewer: a caller who makes many calls at once does not shut others out.
    private mutating func hasCapacity(for call: PacedCall, at now: Int64) -> Bool {
        // Calls of work under way always wait: the code that does the work limits their number.
        guard call.continues == nil, waiting(call.priority) >= Self.waitersPerClass else { return true }
        guard let waiter = lines[call.priority]?.waiterToEvict(for: call) else { return false }
        _ = lines[call.priority]?.remove(waiter.ticket)
        outcomes[waiter.ticket] = refused(waiter, at: now)
        return true
    }

    /// Whether a call is one of the first in the queue, which wait here. A poll waits here where work under way comes before it:
    /// otherwise it would miss its turn.
    private func isNext(_ call: PacedCall, index: Int) -> Bool {
        switch call.priority {
        case .caller: false
        case .start: index < Self.startsThatWait
        case .poll: isUnderWay(.poll) && index - continuing(.poll) < 1
        }
    }

    func isUnderWay(_ priority: CallPriority) -> Bool { priority == .poll && continuing(priority) > 0 }

    /// How many waiting calls continue work under way.
    private func continuing(_ priority: CallPriority) -> Int {
        lines[priority]?.waiters.count { $0.call.continues != nil } ?? 0
    }

    /// How many calls of its class come before this one.
    private func index(of call: PacedCall) -> Int {
        guard call.continues == nil else {
            return lines[call.priority]?.waiters.count { $0.call.continues.map { $0 < call.continues ?? 0 } ?? false }
                ?? 0
        }
        // A caller with many calls waits for its own calls; another caller's only call does not.
        guard let queued = queued[call.priority] else { return lines[call.priority]?.before(call) ?? 0 }
        return waitingWithoutOrder(call.priority) + queued.before(call.work, of: call.caller, weight: call.weight)
    }

    private mutating func earliest(_ call: PacedCall, index: Int, at now: Int64) -> Int64 {
        max(window?.time(of: index, for: call.priority, at: now) ?? now, holds[call.host] ?? now)
    }

    /// Keeps the place of a call in the queue. Returns the order in which it came first.
    mutating func keep(_ call: PacedCall, _ ticket: UInt64, until comesBackAt: Int64?) -> UInt64 {
        // Work under way needs no place in the queue, because it comes first.
        guard window != nil, call.continues == nil, let work = call.work, queued[call.priority] != nil else {
            return ticket
        }
        let order = queued[call.priority]?.order(of: work) ?? ticket
        queued[call.priority]?.keep(work, of: call.caller, weight: call.weight, order: order, until: comesBackAt)
        return order
    }

    private mutating func held(_ call: PacedCall, _ ticket: UInt64, until end: Int64, _ now: Int64) -> Outcome {
        // Its place is kept a little longer than the hold, so that it is there when the call comes back.
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
        // The call should come back a little before its place is free, and then wait here.
        let isNext = isNext(call, index: index)
        let longest = max(Self.longestAway.milliseconds, Int64(queueLength(call.priority)) * Self.awayForEach)
        let away = max(1000, min(earliest - call.patience.milliseconds / 2 - now, longest))
        let comesBackAt = now + (isNext ? 100 : away)
        _ = keep(call, order, until: comesBackAt)
        let others = Self.order.filter { $0 != call.priority && waiting($0) > 0 }.count
        return .queued(
            QueuePlace(
                position: index + 1,
                // Other classes that wait too get their share of the places.
                estimatedWait: .milliseconds((earliest - now) * Int64(2 + others) / 2)
            ),
            comeBackIn: .milliseconds(comesBackAt - now)
        )
    }

    mutating func settle(_ now: Int64) {
        while admits(at: now), let (priority, waiter) = nextToGo(at: now) {
            _ = lines[priority]?.remove(waiter.ticket)
            lines[priority]?.served(waiter.call)
            if waiter.call.continues == nil, let work = waiter.call.work { queued[priority]?.remove(work) }
            for other in Self.order where other != priority && waiting(other) > 0 { passedOver[other, default: 0] += 1 }
            passedOver[priority] = 0
            outcomes[waiter.ticket] = .admitted(window?.admit(at: now) ?? 0)
        }
        for priority in Self.order where (lines[priority]?.count ?? 0) > 0 { refuseWaiters(of: priority, at: now) }
    }

    /// The class and the call whose turn it is: a class that was passed over often enough, otherwise the most urgent one.
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

    /// The even pace leaves places for callers. Where callers take all of them, the background still gets its share.
    mutating func nextPlace(for priority: CallPriority, at now: Int64) -> Int64 {
        let isPaced = !(isOverdue(priority) && waiting(.caller) > 0)
        return window?.nextTime(for: isPaced ? priority : .caller, at: now) ?? now
    }

    private mutating func refuseWaiters(of priority: CallPriority, at now: Int64) {
        let holds = holds
        let over = lines[priority]?
            .removeAll { waiter in
                waiter.deadline <= now || (holds[waiter.call.host] ?? now) - now > waiter.call.patience.milliseconds
            }
        for waiter in over ?? [] { outcomes[waiter.ticket] = refused(waiter, at: now) }
    }

    /// The outcome of a call that stops waiting without a place.
    private mutating func refused(_ waiter: WaitingLine.Waiter, at now: Int64) -> Outcome {
        let call = waiter.call
        if let end = holds[call.host], end > now { return held(call, waiter.order, until: end, now) }
        let index = index(of: call)
        let earliest = earliest(call, index: index, at: now)
        return sentBack(call, waiter.order, index: index, earliest: earliest, at: now)
    }
}
