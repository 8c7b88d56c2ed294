import Exports

/// The latest visible state of some exports, at most `capacity` of them: what `Snapshots` decides, without its lock and its
/// ledger.
///
/// Values come from two sides: from commits, and from reads of the ledger. Commits of one export have an order, but may be told
/// of in another; a read shows every commit before it and may show those that were not told of yet. So of two values the newer
/// one is found like this:
///
/// - of two commits, by their order;
/// - of a read and a commit whose change was made after the read had ended, it is the commit;
/// - else it is the one with the higher revision, and with the later `observedAt` where the revisions are equal.
struct SnapshotMap: Sendable {
    /// Where a value comes from.
    enum Origin: Sendable, Hashable {
        /// A commit: its order.
        case commit(UInt64)
        /// A read: the highest order that had been given out when it ended.
        case read(UInt64)
    }

    private struct Entry: Sendable {
        var id: ExportID
        var snapshot: ExportSnapshot
        var origin: Origin
        /// Whether somebody asked for it since the last search for one that can give way.
        var isUsed: Bool
        /// Whether only lists asked for it.
        var isListed = false
    }

    private struct Value: Sendable {
        var export: Export
        var origin: Origin
    }

    let capacity: Int
    private var entries: [Entry] = []
    private var places: [ExportID: Int] = [:]
    /// Where the search for an entry that can give way goes on ("clock": an entry that was used is passed over once).
    private var hand = 0
    /// Reads under way, with the newest value that was told of meanwhile.
    private var reads: [ExportID: Value?] = [:]
    private var lists = ListFilling()

    init(capacity: Int) {
        self.capacity = capacity
    }

    var count: Int { entries.count }

    /// The snapshot of an export, if there is one that was not only read for a list: a list reads a part of the row, and what else
    /// is in it may be beyond reading.
    mutating func find(_ id: ExportID) -> ExportSnapshot? {
        guard let place = places[id], !entries[place].isListed else { return nil }
        entries[place].isUsed = true
        return entries[place].snapshot
    }

    /// A commit was told of. An export that nobody asked for is not taken in, nor from a list that may have read it before: its
    /// `observedAt` would go back.
    mutating func wrote(_ export: Export, order: UInt64) {
        lists.wrote(export.id)
        take(Value(export: export, origin: .commit(order)))
    }

    /// A record was read for another reason: whoever gets it must not see an older one afterwards.
    mutating func saw(_ export: Export, lastOrder: UInt64) {
        take(Value(export: export, origin: .read(lastOrder)))
    }

    private mutating func take(_ value: Value) {
        let id = value.export.id
        if let place = places[id] { replace(place, by: value) }
        guard let told = reads[id], told.map({ Self.isNewer(value, than: $0) }) ?? true else { return }
        reads.updateValue(value, forKey: id)
    }

    /// A read of the ledger begins, or the creation of the export; false where one is under way.
    mutating func beginRead(_ id: ExportID) -> Bool {
        guard reads[id] == nil else { return false }
        reads.updateValue(nil, forKey: id)
        return true
    }

    /// The read ends. Gives back what is to be shown: what was read, or what was told of meanwhile. Nil where there is
    /// nothing: a failure and an unknown export are not kept.
    mutating func endRead(_ id: ExportID, _ export: Export?, lastOrder: UInt64) -> ExportSnapshot? {
        let told = reads.removeValue(forKey: id) ?? nil
        let read = export.map { Value(export: $0, origin: .read(lastOrder)) }
        let newest: Value
        switch (read, told) {
        case (nil, nil): return nil
        case (let read?, nil): newest = read
        case (nil, let told?): newest = told
        case (let read?, let told?): newest = Self.isNewer(told, than: read) ? told : read
        }
        if let place = places[id] {
            replace(place, by: newest)
            entries[place].isListed = false
            return entries[place].snapshot
        }
        let snapshot = ExportSnapshot(newest.export)
        guard capacity > 0 else { return snapshot }
        put(Entry(id: id, snapshot: snapshot, origin: newest.origin, isUsed: false), at: freePlace())
        return snapshot
    }

    // MARK: Lists

    /// A list is about to be read.
    mutating func beginList() { lists.begin() }

    mutating func endList() { lists.end() }

    /// The snapshot of an export, if there is one of this revision. That a list shows it makes it no more in demand.
    func known(_ id: ExportID, revision: Int64) -> ExportSnapshot? {
        guard let place = places[id], entries[place].snapshot.export.revision == revision else { return nil }
        return entries[place].snapshot
    }

    /// A list that has begun shows an export. Gives back the snapshot that is to be shown: the one that is kept, where it shows
    /// the same revision. What is not kept is taken in, unless it was changed since the list began.
    mutating func listed(_ snapshot: ExportSnapshot, lastOrder: UInt64) -> ExportSnapshot {
        let export = snapshot.export
        if let kept = known(export.id, revision: export.revision), kept === snapshot { return kept }
        if places[export.id] != nil || reads[export.id] != nil {
            take(Value(export: export, origin: .read(lastOrder)))
            return known(export.id, revision: export.revision) ?? snapshot
        }
        guard lists.mayKeep(export.id) else { return snapshot }
        var entry = Entry(id: export.id, snapshot: snapshot, origin: .read(lastOrder), isUsed: false)
        entry.isListed = true
        switch lists.oldestPlace(limit: capacity / Self.listedShare) {
        case .none: break
        case .new: lists.append(put(entry, at: freePlace()))
        case .taken(let place) where entries[place].isListed:
            put(entry, at: place)
            lists.advance()
        // Somebody asked for it since, or another has its place.
        case .taken: lists.replace(put(entry, at: freePlace()))
        }
        return snapshot
    }

    /// One place in so many is for what only lists asked for: a client that goes through all exports does not drive out what others
    /// come back for.
    private static let listedShare = 4

    private mutating func replace(_ place: Int, by value: Value) {
        let present = Value(export: entries[place].snapshot.export, origin: entries[place].origin)
        if Self.isNewer(value, than: present) { set(place, value) }
    }

    private mutating func set(_ place: Int, _ value: Value) {
        entries[place].snapshot = ExportSnapshot(value.export, after: entries[place].snapshot)
        entries[place].origin = value.origin
    }

    /// Puts an entry at a place; what was there gives way.
    @discardableResult
    private mutating func put(_ entry: Entry, at place: Int) -> Int {
        if place == entries.count {
            entries.append(entry)
        } else {
            places[entries[place].id] = nil
            entries[place] = entry
        }
        places[entry.id] = place
        return place
    }

    /// A place that is free, or whose entry can give way. There must be a capacity.
    private mutating func freePlace() -> Int {
        if entries.count < capacity { return entries.count }
        while entries[hand].isUsed {
            entries[hand].isUsed = false
            hand = (hand + 1) % capacity
        }
        defer { hand = (hand + 1) % capacity }
        return hand
    }

    private static func isNewer(_ value: Value, than other: Value) -> Bool {
        switch (value.origin, other.origin) {
        case (.commit(let order), .commit(let otherOrder)): return order > otherOrder
        case (.commit(let order), .read(let last)) where order > last: return true
        case (.read(let last), .commit(let order)) where order > last: return false
        default:
            if value.export.revision != other.export.revision { return value.export.revision > other.export.revision }
            guard let observed = value.export.observedAt else { return false }
            return other.export.observedAt.map { observed > $0 } ?? true
        }
    }
}
