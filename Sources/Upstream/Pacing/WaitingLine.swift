import Exports

/// The waiting calls of one class: work that is under way goes on first, then callers take turns by their weights, and within a
/// caller its exports do.
struct WaitingLine: Sendable {
    struct Waiter: Sendable {
        var ticket: UInt64
        /// When it came first: a call that was sent back and came again keeps it.
        var order: UInt64
        var call: PacedCall
        /// When it is told that there is no place.
        var deadline: Int64
    }

    private struct WorkTurn: Hashable {
        var caller: String?
        var work: PacedWork?
    }

    /// After so many calls of work that is under way, the next place goes to whoever's turn it is: other work must not wait
    /// until all pages of a long list are read.
    static let continuedInARow = 2

    private(set) var waiters: [Waiter] = []
    private var callers = FairTurns<String?>()
    /// When each piece of work was served last, counted in turns. What is not in here was served long ago, or never.
    private var workServed: [WorkTurn: UInt64] = [:]
    private var turns: UInt64 = 0
    private var continued = 0
    private static let remembered = 4096

    var count: Int { waiters.count }

    mutating func append(_ waiter: Waiter) { waiters.append(waiter) }

    mutating func remove(_ ticket: UInt64) -> Waiter? {
        guard let index = waiters.firstIndex(where: { $0.ticket == ticket }) else { return nil }
        return waiters.remove(at: index)
    }

    mutating func removeAll(where isOver: (Waiter) -> Bool) -> [Waiter] {
        let over = waiters.filter(isOver)
        if !over.isEmpty { waiters.removeAll(where: isOver) }
        return over
    }

    /// Whose turn it is, among those that may go.
    func next(where mayGo: (Waiter) -> Bool) -> Waiter? {
        let ready = waiters.filter(mayGo)
        if continued < Self.continuedInARow,
            // The oldest first, so that one of them comes to its end however many there are.
            let oldest = ready.filter({ $0.call.continues != nil })
                .min(by: { ($0.call.continues ?? 0, $0.ticket) < ($1.call.continues ?? 0, $1.ticket) })
        {
            return oldest
        }
        var best: (waiter: Waiter, key: (Double, UInt64, UInt64))?
        for waiter in ready {
            let turn = WorkTurn(caller: waiter.call.caller, work: waiter.call.work)
            let key = (callers.begin(waiter.call.caller), workServed[turn] ?? 0, waiter.order)
            if best.map({ key < $0.key }) ?? true { best = (waiter, key) }
        }
        return best?.waiter
    }

    /// How many of those that wait have their turn before a call that begins to wait now: the other calls of its caller, and those
    /// of others up to its own turn by their weights.
    func before(_ call: PacedCall) -> Int {
        let begun = waiters.filter { $0.call.continues != nil }.count
        let others = Dictionary(grouping: waiters.filter { $0.call.continues == nil }, by: \.call.caller)
        let own = others[call.caller]?.count ?? 0
        let turn = callers.begin(call.caller) + Double(own) / Double(call.weight)
        return others.reduce(begun + own) { before, other in
            guard other.key != call.caller, let weight = other.value.first?.call.weight else { return before }
            // Of those with the same turn, whoever came first. Thirds do not add up to one in binary.
            let turns = (turn - callers.begin(other.key) + 1e-6) * Double(weight)
            return turns < 0 ? before : before + Int(min(turns + 1, Double(other.value.count)))
        }
    }

    /// Which call waits no longer, for one more of a caller who has fewer by its weight than another one would have then: the last
    /// of the caller who has the most. Nil where nobody has more.
    func givesWay(to call: PacedCall) -> Waiter? {
        let others = Dictionary(grouping: waiters.filter { $0.call.continues == nil }, by: \.call.caller)
        let last = others.filter { $0.key != call.caller }
            .compactMap { _, theirs in
                theirs.max { $0.order < $1.order }.map { (count: theirs.count, waiter: $0) }
            }
        let most = last.max { one, other in
            let (first, second) = (one.count * other.waiter.call.weight, other.count * one.waiter.call.weight)
            return (UInt64(first), one.waiter.order) < (UInt64(second), other.waiter.order)
        }
        let own = others[call.caller]?.count ?? 0
        guard let most, most.count * call.weight > (own + 1) * most.waiter.call.weight else { return nil }
        return most.waiter
    }

    /// Notes that it was this call's turn.
    mutating func served(_ call: PacedCall) {
        continued = call.continues == nil || continued >= Self.continuedInARow ? 0 : continued + 1
        turns += 1
        // Work under way that went first does not move the turns of the others on.
        callers.served(call.caller, weight: call.weight, movesOthersOn: call.continues == nil)
        workServed[WorkTurn(caller: call.caller, work: call.work)] = turns
        let oldest = turns > UInt64(Self.remembered / 2) ? turns - UInt64(Self.remembered / 2) : 0
        if workServed.count > Self.remembered { workServed = workServed.filter { $0.value > oldest } }
    }
}
