import Exports

/// What a `SnapshotMap` takes in of the exports that lists show.
struct ListFilling: Sendable {
    /// Where an export goes that only a list asked for.
    enum Place: Sendable, Hashable {
        /// Nowhere: there is no room for such.
        case none
        /// Somewhere else than the others.
        case new
        /// Where the one is that came first of them.
        case taken(Int)
    }

    /// More changes than this while lists are read are not told apart: nothing is taken in then.
    private static let changeLimit = 10_000

    private var running = 0
    /// What was changed while lists are read: they may show it as it was before.
    private var changed: Set<ExportID> = []
    /// Where the exports are, and which of them came first.
    private var places: [Int] = []
    private var oldest = 0

    mutating func begin() { running += 1 }

    mutating func end() {
        running -= 1
        if running == 0 { changed.removeAll() }
    }

    /// A change was told of.
    mutating func wrote(_ id: ExportID) {
        if running > 0, changed.count <= Self.changeLimit { changed.insert(id) }
    }

    /// Whether what a list has read of an export is sure to be no older than what was told of it.
    func mayKeep(_ id: ExportID) -> Bool {
        running > 0 && changed.count <= Self.changeLimit && !changed.contains(id)
    }

    /// Where the next export goes, when there may be so many.
    func oldestPlace(limit: Int) -> Place {
        if places.count < limit { return .new }
        return places.isEmpty ? .none : .taken(places[oldest])
    }

    /// It went to a place of its own.
    mutating func append(_ place: Int) { places.append(place) }

    /// It went to another place than the one that came first, which counts no more.
    mutating func replace(_ place: Int) {
        places[oldest] = place
        advance()
    }

    /// It went where the one was that came first.
    mutating func advance() { oldest = (oldest + 1) % places.count }
}
