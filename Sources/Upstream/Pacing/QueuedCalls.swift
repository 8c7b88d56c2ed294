import DequeModule
import Exports

/// The order of the work of one class. Each piece of work keeps its place in the queue from its first coming until its call is
/// made, whether it waits or was sent back meanwhile. Callers take turns by their weights.
///
/// Work that was sent back and does not come again in time loses its place: its export has ended, or has another owner.
struct QueuedCalls: Sendable {
    private struct Place: Sendable {
        var caller: String?
        /// The order in which the work came first.
        var order: UInt64
        /// Nil while it waits.
        var comesBackAt: Int64?
    }

    private struct Line: Sendable {
        var weight: Int
        /// Sorted. Nearly all are added at the end and removed at the front, which a deque does without moving the others.
        var orders: Deque<UInt64>

        mutating func keep(_ order: UInt64, weight: Int) {
            self.weight = weight
            orders.insert(order, at: QueuedCalls.index(of: order, in: orders))
        }

        /// Removes one and returns how many are left.
        mutating func remove(_ order: UInt64) -> Int {
            orders.remove(at: QueuedCalls.index(of: order, in: orders))
            return orders.count
        }
    }

    /// How many places are kept, some 10 MB. Further work has no place of its own and comes after all others.
    static let limit = 100_000
    private static let sweepInterval: Int64 = 10_000

    private var places: [PacedWork: Place] = [:]
    private var lines: [String?: Line] = [:]
    private var nextSweep: Int64 = .min

    var count: Int { places.count }

    /// The order in which some work came first; nil for work without a place.
    func order(of work: PacedWork) -> UInt64? { places[work]?.order }

    /// How many calls come before this one of a caller, whether it is in the queue or new.
    func before(_ work: PacedWork?, of caller: String?, weight: Int) -> Int {
        let line = lines[caller]?.orders ?? Deque()
        let order = work.flatMap { places[$0]?.order }
        let index = order.map { Self.index(of: $0, in: line) } ?? line.count
        var before = index
        for (other, their) in lines where other != caller {
            // Call number n of the other caller has its turn at (n + 1) / (their weight). This call has it at
            // (index + 1) / (its own weight).
            let turn = (index + 1) * their.weight
            let earlier = (turn - 1) / weight
            before += min(earlier, their.orders.count)
            // Of two calls with the same turn, the one that came first goes first.
            let isTie = turn % weight == 0 && earlier < their.orders.count
            if isTie, their.orders[earlier] < order ?? .max { before += 1 }
        }
        return before
    }

    /// Keeps a place until the work should come again; with nil, until it is removed.
    mutating func keep(_ work: PacedWork, of caller: String?, weight: Int, order: UInt64, until comesBackAt: Int64?) {
        if places[work] != nil {
            places[work]?.comesBackAt = comesBackAt
        } else if count < Self.limit {
            places[work] = Place(caller: caller, order: order, comesBackAt: comesBackAt)
            // Changed in the dictionary itself: to copy a line of 100,000 would take longer than everything else.
            lines[caller, default: Line(weight: weight, orders: Deque())].keep(order, weight: weight)
        }
    }

    mutating func remove(_ work: PacedWork) {
        guard let place = places.removeValue(forKey: work) else { return }
        if lines[place.caller]?.remove(place.order) == 0 { lines[place.caller] = nil }
    }

    /// Drops work that should have come again more than `grace` ago. Checks now and then only.
    mutating func sweep(at now: Int64, grace: Int64) {
        guard now >= nextSweep else { return }
        nextSweep = now + Self.sweepInterval
        for (work, place) in places {
            if let comesBackAt = place.comesBackAt, comesBackAt + grace < now { remove(work) }
        }
    }

    /// The index of `order` in a sorted line that contains it.
    private static func index(of order: UInt64, in line: Deque<UInt64>) -> Int {
        var (low, high) = (0, line.count)
        while low < high {
            let middle = (low + high) / 2
            if line[middle] < order { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
