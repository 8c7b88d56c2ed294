/// What one caller uses of its limits.
struct CallerUse: Sendable, Hashable {
    /// When its allowance of requests is whole again.
    var requests: Int64 = 0
    /// When its allowance of bytes is whole again.
    var bytes: Int64 = 0
    /// What waits for it now.
    var waits = 0

    /// When it is as if the caller had never come; only where nothing waits for it.
    var wholeAt: Int64 { max(requests, bytes) }
}

/// What callers use: a table that never has more than `limit` entries, however many callers there are.
///
/// When it is full, an entry that says nothing any more makes place for a new caller. Where none of those that are looked at is such,
/// the one of them that would be soonest does: that caller then has its whole allowances again. An entry of a caller for whom
/// something waits is never removed.
struct CallerTable: Sendable {
    private struct Slot {
        var caller: String
        var use = CallerUse()
    }

    /// How many entries are looked at for a place, so that a new caller costs the same however large the table is.
    static let looks = 16

    let limit: Int
    private var slots: [Slot] = []
    private var places: [String: Int] = [:]
    private var hand = 0
    /// How many entries were removed that still said something.
    private(set) var evicted = 0

    init(limit: Int) {
        self.limit = max(1, limit)
    }

    var count: Int { slots.count }

    /// Reads or changes what a caller uses.
    mutating func use<Value>(of caller: String, at now: Int64, _ body: (inout CallerUse) -> Value) -> Value {
        guard let place = places[caller] ?? newPlace(for: caller, at: now) else {
            var unknown = CallerUse()
            return body(&unknown)
        }
        return body(&slots[place].use)
    }

    /// Changes what a caller uses, where there is an entry for it.
    mutating func known(_ caller: String, _ body: (inout CallerUse) -> Void) {
        if let place = places[caller] { body(&slots[place].use) }
    }

    /// Nil where something waits for every caller in the table.
    private mutating func newPlace(for caller: String, at now: Int64) -> Int? {
        if slots.count < limit {
            slots.append(Slot(caller: caller))
            places[caller] = slots.count - 1
            return slots.count - 1
        }
        guard let place = placeToEmpty(at: now) else { return nil }
        if slots[place].use.wholeAt > now { evicted += 1 }
        places[slots[place].caller] = nil
        slots[place] = Slot(caller: caller)
        places[caller] = place
        return place
    }

    private mutating func placeToEmpty(at now: Int64) -> Int? {
        var best: Int?
        for step in 0..<limit {
            let place = hand
            hand = (hand + 1) % limit
            let use = slots[place].use
            if use.waits == 0 {
                if use.wholeAt <= now { return place }
                if best.map({ use.wholeAt < slots[$0].use.wholeAt }) ?? true { best = place }
            }
            if step + 1 >= Self.looks, best != nil { break }
        }
        return best
    }
}
