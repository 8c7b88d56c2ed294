import DequeModule
import Exports

/// Which work of one class comes before which: each piece keeps its place in the line from its first coming until its call is
/// made, whether it waits or was sent back meanwhile; callers take turns by their weights.
///
/// Work that was sent back and does not come again in time has lost its place: its export has ended, or has another owner.
struct QueuedCalls: Sendable {
    private struct Place: Sendable {
        var caller: String?
        /// By first coming.
        var order: UInt64
        /// Nil while it waits.
        var comesBackAt: Int64?
    }

    private struct Line: Sendable {
        var weight: Int
        /// In order. Nearly all come at the end and leave at the front, where a deque moves none of the others.
        var orders: Deque<UInt64>

        mutating func keep(_ order: UInt64, weight: Int) {
            self.weight = weight
            orders.insert(order, at: QueuedCalls.index(of: order, in: orders))
        }

        /// How many are left.
        mutating func remove(_ order: UInt64) -> Int {
            orders.remove(at: QueuedCalls.index(of: order, in: orders))
            return orders.count
        }
    }

    /// How many are remembered, some 10 MB. More of them have no place of their own and come after all others.
    static let limit = 100_000
    private static let sweepInterval: Int64 = 10_000

    private var places: [PacedWork: Place] = [:]
    private var lines: [String?: Line] = [:]
    private var nextSweep: Int64 = .min

    var count: Int { places.count }

    /// The order in which it came first; nil for what has no place.
    func order(of work: PacedWork) -> UInt64? { places[work]?.order }

    /// How many calls come before this one of a caller, whether it is in the line or new.
    func before(_ work: PacedWork?, of caller: String?, weight: Int) -> Int {
        let line = lines[caller]?.orders ?? Deque()
        let order = work.flatMap { places[$0]?.order }
        let index = order.map { Self.index(of: $0, in: line) } ?? line.count
        var before = index
        for (other, their) in lines where other != caller {
            // Theirs with the number n has its turn at (n + 1) / their weight; this one at `turn` / its own.
            let turn = (index + 1) * their.weight
            let earlier = (turn - 1) / weight
            before += min(earlier, their.orders.count)
            // Of those with the same turn, whoever came first.
            let isTie = turn % weight == 0 && earlier < their.orders.count
            if isTie, their.orders[earlier] < order ?? .max { before += 1 }
        }
        return before
    }

    /// Keeps a place until it comes again; with nil, until it is removed.
    mutating func keep(_ work: PacedWork, of caller: String?, weight: Int, order: UInt64, until comesBackAt: Int64?) {
        if places[work] != nil {
            places[work]?.comesBackAt = comesBackAt
        } else if count < Self.limit {
            places[work] = Place(caller: caller, order: order, comesBackAt: comesBackAt)
            // In its place: a copy of a line of 100,000 takes longer than all else.
            lines[caller, default: Line(weight: weight, orders: Deque())].keep(order, weight: weight)
        }
    }

    mutating func remove(_ work: PacedWork) {
        guard let place = places.removeValue(forKey: work) else { return }
        if lines[place.caller]?.remove(place.order) == 0 { lines[place.caller] = nil }
    }

    /// Forgets what should have come again `grace` ago; looks now and then.
    mutating func sweep(at now: Int64, grace: Int64) {
        guard now >= nextSweep else { return }
        nextSweep = now + Self.sweepInterval
        for (work, place) in places {
            if let comesBackAt = place.comesBackAt, comesBackAt + grace < now { remove(work) }
        }
    }

    /// Where `order` stands in a sorted line that holds it.
    private static func index(of order: UInt64, in line: Deque<UInt64>) -> Int {
        var (low, high) = (0, line.count)
        while low < high {
            let middle = (low + high) / 2
            if line[middle] < order { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
