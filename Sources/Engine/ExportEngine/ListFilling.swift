import Exports

/// Decides which exports of lists a `SnapshotMap` keeps, and where.
struct ListFilling: Sendable {
    /// The place for an export that only a list asked for.
    enum Place: Sendable, Hashable {
        /// Nowhere: there is no capacity for such an entry.
        case none
        /// A new place.
        case new
        /// The place of the oldest of them.
        case taken(Int)
    }

    /// With more changes than this while lists are read, nothing is kept: they are not tracked one by one.
    private static let changeLimit = 10_000

    private var running = 0
    /// Whether the lists under way may show a state from before everything was removed.
    private var isOutdated = false
    /// The exports that changed while lists are read: the lists may show their former state.
    private var changed: Set<ExportID> = []
    /// The places of the exports, and the oldest of them.
    private var places: [Int] = []
    private var oldest = 0

    mutating func begin() { running += 1 }

    mutating func end() {
        running -= 1
        guard running == 0 else { return }
        changed.removeAll()
        isOutdated = false
    }

    /// Records that the map has no entries any more, and that what the lists under way have read is not to be kept.
    mutating func removeAll() {
        (places, oldest) = ([], 0)
        isOutdated = running > 0
    }

    /// Records a change.
    mutating func wrote(_ id: ExportID) {
        if running > 0, changed.count <= Self.changeLimit { changed.insert(id) }
    }

    /// Whether the state that a list has read is certainly not older than any committed change.
    func mayKeep(_ id: ExportID) -> Bool {
        running > 0 && !isOutdated && changed.count <= Self.changeLimit && !changed.contains(id)
    }

    /// The place for the next export, with this limit.
    func oldestPlace(limit: Int) -> Place {
        if places.count < limit { return .new }
        return places.isEmpty ? .none : .taken(places[oldest])
    }

    /// Records a new place.
    mutating func append(_ place: Int) { places.append(place) }

    /// Records another place instead of the oldest one.
    mutating func replace(_ place: Int) {
        places[oldest] = place
        advance()
    }

    /// Records that the oldest place was used again.
    mutating func advance() { oldest = (oldest + 1) % places.count }
}
