import Exports

/// The calls of one class that were sent back until their place comes: each keeps its place in the line, callers in turn.
///
/// Each is known by its export. Whoever does not come back in time has lost its place: its export was canceled, or has another
/// owner.
struct QueuedCalls: Sendable {
    private struct Place: Sendable {
        var caller: String?
        /// By first coming.
        var order: UInt64
        var comesBackAt: Int64
    }

    /// How many are remembered, some 10 MB. More of them have no place of their own and come after all others.
    static let limit = 100_000
    private static let sweepInterval: Int64 = 10_000

    private var places: [ExportID: Place] = [:]
    /// For each caller, in order.
    private var lines: [String?: [UInt64]] = [:]
    private var nextOrder: UInt64 = 1
    private var nextSweep: Int64 = .min

    var count: Int { places.count }

    func contains(_ export: ExportID) -> Bool { places[export] != nil }

    /// How many calls come before this one, whether it is in the line or new.
    func before(_ export: ExportID, of caller: String?) -> Int {
        let line = lines[caller] ?? []
        let order = places[export]?.order
        let index = order.map { Self.index(of: $0, in: line) } ?? line.count
        var before = index
        for (other, orders) in lines where other != caller {
            before += min(index, orders.count)
            // Of those with the same turn, whoever came first.
            if index < orders.count, orders[index] < order ?? .max { before += 1 }
        }
        return before
    }

    /// Keeps a place until then.
    mutating func keep(_ export: ExportID, of caller: String?, until comesBackAt: Int64) {
        if places[export] != nil {
            places[export]?.comesBackAt = comesBackAt
        } else if count < Self.limit {
            places[export] = Place(caller: caller, order: nextOrder, comesBackAt: comesBackAt)
            lines[caller, default: []].append(nextOrder)
            nextOrder += 1
        }
    }

    mutating func remove(_ export: ExportID) {
        guard let place = places.removeValue(forKey: export), let line = lines[place.caller] else { return }
        lines[place.caller]?.remove(at: Self.index(of: place.order, in: line))
        if line.count == 1 { lines[place.caller] = nil }
    }

    /// Forgets whoever should have been back `grace` ago; looks now and then.
    mutating func sweep(at now: Int64, grace: Int64) {
        guard now >= nextSweep else { return }
        nextSweep = now + Self.sweepInterval
        for (export, place) in places where place.comesBackAt + grace < now { remove(export) }
    }

    /// Where `order` stands in a sorted line that holds it.
    private static func index(of order: UInt64, in line: [UInt64]) -> Int {
        var (low, high) = (0, line.count)
        while low < high {
            let middle = (low + high) / 2
            if line[middle] < order { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
