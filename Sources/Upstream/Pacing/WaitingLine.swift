import Exports

/// The waiting calls of one class. Work under way comes first. Then callers take turns by their weights, and within a caller its
/// exports take turns.
struct WaitingLine: Sendable {
    struct Waiter: Sendable {
        var ticket: UInt64
        /// The order in which it came first. A call that was sent back and came again keeps it.
        var order: UInt64
        var call: PacedCall
        /// When the call is refused if it has no place by then.
        var deadline: Int64
    }

    private struct WorkTurn: Hashable {
        var caller: String?
        var work: PacedWork?
    }

    /// How many calls of work under way are made in a row before the next place goes to the caller whose turn it is: other work
    /// must not wait until all pages of a long list are read.
    static let continuedInARow = 2

    private(set) var waiters: [Waiter] = []
    private var callers = FairTurns<String?>()
    /// When each piece of work was served last, counted in turns. Work that is missing was served long ago, or never.
    private var workServed: [WorkTurn: UInt64] = [:]
    private var turns: UInt64 = 0
    private var continued = 0
    private static let capacity = 4096

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

    /// The call whose turn it is, among those that `mayGo`.
    func next(where mayGo: (Waiter) -> Bool) -> Waiter? {
        let ready = waiters.filter(mayGo)
        if continued < Self.continuedInARow,
            // The oldest work goes first, so that each piece is completed, however many there are.
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

    /// How many waiting calls have their turn before a call that begins to wait now: the other calls of its caller, and the
    /// calls of other callers up to its own turn, by their weights.
    func before(_ call: PacedCall) -> Int {
        let begun = waiters.filter { $0.call.continues != nil }.count
        let others = Dictionary(grouping: waiters.filter { $0.call.continues == nil }, by: \.call.caller)
        let own = others[call.caller]?.count ?? 0
        let turn = callers.begin(call.caller) + Double(own) / Double(call.weight)
        return others.reduce(begun + own) { before, other in
            guard other.key != call.caller, let weight = other.value.first?.call.weight else { return before }
            // Of two calls with the same turn, the one that came first goes first. The small number absorbs rounding errors.
            let turns = (turn - callers.begin(other.key) + 1e-6) * Double(weight)
            return turns < 0 ? before : before + Int(min(turns + 1, Double(other.value.count)))
        }
    }

    /// The call to evict for one more call of a caller: the last call of the other caller with the most calls by its weight. Nil
    /// where no other caller has more than this caller would have then.
    func waiterToEvict(for call: PacedCall) -> Waiter? {
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

    /// Records that it was this call's turn.
    mutating func served(_ call: PacedCall) {
        continued = call.continues == nil || continued >= Self.continuedInARow ? 0 : continued + 1
        turns += 1
        // Work under way went first without its turn, so the progress of the others stays as it is.
        callers.served(call.caller, weight: call.weight, movesOthersOn: call.continues == nil)
        workServed[WorkTurn(caller: call.caller, work: call.work)] = turns
        let oldest = turns > UInt64(Self.capacity / 2) ? turns - UInt64(Self.capacity / 2) : 0
        if workServed.count > Self.capacity { workServed = workServed.filter { $0.value > oldest } }
    }
}
