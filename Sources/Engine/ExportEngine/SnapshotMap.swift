import Exports

/// The snapshots of some exports, at most `capacity` of them. It makes the decisions of `Snapshots`, without its lock and its
/// ledger.
///
/// Values come from two sides: from commits, and from reads of the ledger. Commits of one export have an order, but their
/// notifications may come in another order. A read shows every commit before it, and may show commits that were not notified yet.
/// So the newer one of two values is determined like this:
///
/// - Of two commits, it is the one with the higher order.
/// - Of a read and a commit that was made after the read had ended, it is the commit.
/// - Otherwise it is the one with the higher revision, or with the later `observedAt` where the revisions are equal.
struct SnapshotMap: Sendable {
    /// The origin of a value.
    enum Origin: Sendable, Hashable {
        /// A commit, with its order.
        case commit(UInt64)
        /// A read, with the highest order that had been assigned when it ended.
        case read(UInt64)
    }

    private struct Entry: Sendable {
        var id: ExportID
        var snapshot: ExportSnapshot
        var origin: Origin
        /// Whether it was read since the last search for an entry to evict.
        var isUsed: Bool
        /// Whether only lists asked for it.
        var isListed = false
        /// Whether its export was purged: the place is free.
        var isGone = false
        /// When its state was last known to be the present one, as a time of `Lifetime.now`.
        var knownAt = Duration.zero
    }

    /// For how long the state of an export that has not ended may be shown, where others change it too. They tell of each change that
    /// callers see, but not when the upstream last confirmed the status (`observedAt`).
    struct Lifetime: Sendable {
        var duration: Duration
        /// A monotonic clock.
        var now: @Sendable () -> Duration
    }

    private struct Value: Sendable {
        var export: Export
        var origin: Origin
    }

    let capacity: Int
    private var entries: [Entry] = []
    private var places: [ExportID: Int] = [:]
    /// Where the search for an entry to evict goes on ("clock": an entry that was used is passed over once).
    private var hand = 0
    /// Reads under way, with the newest committed value since they began.
    private var reads: [ExportID: Value?] = [:]
    private var lastPurged = PurgedExports()
    private var lists = ListFilling()

    private let lifetime: Lifetime?

    init(capacity: Int, lifetime: Lifetime? = nil) {
        self.capacity = capacity
        self.lifetime = lifetime
    }

    private func isCurrent(_ entry: Entry) -> Bool {
        guard let lifetime, !entry.snapshot.export.isFinal else { return true }
        return lifetime.now() - entry.knownAt <= lifetime.duration
    }

    private mutating func isKnownNow(_ place: Int) {
        if let lifetime { entries[place].knownAt = lifetime.now() }
    }

    var count: Int { entries.count }

    /// The snapshot of an export, unless it was only read for a list: a list reads a part of the row, and the rest of the row
    /// may be unreadable.
    mutating func find(_ id: ExportID) -> ExportSnapshot? {
        guard let place = places[id], !entries[place].isListed, isCurrent(entries[place]) else { return nil }
        entries[place].isUsed = true
        return entries[place].snapshot
    }

    /// Whether there is an entry or a read of an export.
    func has(_ id: ExportID) -> Bool { places[id] != nil || reads[id] != nil }

    /// Removes all entries. What lists under way have read does not become one.
    mutating func removeAll() {
        entries = []
        places = [:]
        hand = 0
        lists.removeAll()
    }

    /// Applies a commit. An export that nobody asked for is not added, also not from a list that may have read it before the
    /// commit: its `observedAt` would go back.
    mutating func wrote(_ export: Export, order: UInt64) {
        lists.wrote(export.id)
        take(Value(export: export, origin: .commit(order)))
    }

    /// Applies a record that was read for another reason: a caller who got it must not see an older one afterwards.
    mutating func saw(_ export: Export, lastOrder: UInt64) {
        take(Value(export: export, origin: .read(lastOrder)))
    }

    /// Applies that exports were purged: nothing that was read or announced before brings one back.
    mutating func purged(_ ids: [ExportID]) {
        for id in ids {
            lastPurged.insert(id)
            lists.wrote(id)
            guard let place = places.removeValue(forKey: id) else { continue }
            (entries[place].isGone, entries[place].isUsed) = (true, false)
        }
    }

    private mutating func take(_ value: Value) {
        let id = value.export.id
        guard !lastPurged.contains(id) else { return }
        if let place = places[id] { replace(place, by: value) }
        guard let told = reads[id], told.map({ Self.isNewer(value, than: $0) }) ?? true else { return }
        reads.updateValue(value, forKey: id)
    }

    /// Begins a read of the ledger, or the creation of the export. False where one is under way.
    mutating func beginRead(_ id: ExportID) -> Bool {
        guard reads[id] == nil else { return false }
        reads.updateValue(nil, forKey: id)
        return true
    }

    /// Ends the read. Returns the snapshot to show: what was read, or a newer commit. Nil where there is nothing: a failure and
    /// an unknown export are not kept.
    mutating func endRead(_ id: ExportID, _ export: Export?, lastOrder: UInt64) -> ExportSnapshot? {
        let told = reads.removeValue(forKey: id) ?? nil
        guard !lastPurged.contains(id) else { return nil }
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
            isKnownNow(place)
            entries[place].isListed = false
            return entries[place].snapshot
        }
        let snapshot = ExportSnapshot(newest.export)
        guard capacity > 0 else { return snapshot }
        put(Entry(id: id, snapshot: snapshot, origin: newest.origin, isUsed: false), at: freePlace())
        return snapshot
    }

    // MARK: Lists

    /// Begins to read a list.
    mutating func beginList() { lists.begin() }

    mutating func endList() { lists.end() }

    /// The snapshot of an export, if there is one of this revision. A list does not count as a use of it.
    func known(_ id: ExportID, revision: Int64) -> ExportSnapshot? {
        guard let place = places[id], entries[place].snapshot.export.revision == revision, isCurrent(entries[place])
        else { return nil }
        return entries[place].snapshot
    }

    /// Applies an export that a list has read. Returns the snapshot to show: the kept one, if it has the same revision. An export
    /// that is not kept is added, unless it changed since the list began.
    mutating func listed(_ snapshot: ExportSnapshot, lastOrder: UInt64) -> ExportSnapshot {
        let export = snapshot.export
        guard !lastPurged.contains(export.id) else { return snapshot }
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
        // The entry at that place was used, or is of another export.
        case .taken: lists.replace(put(entry, at: freePlace()))
        }
        return snapshot
    }

    /// One in so many places is for exports that only lists asked for: a client that goes through all exports does not evict
    /// what others come back for.
    private static let listedShare = 4

    private mutating func replace(_ place: Int, by value: Value) {
        let present = Value(export: entries[place].snapshot.export, origin: entries[place].origin)
        guard Self.isNewer(value, than: present) else { return }
        set(place, value)
        isKnownNow(place)
    }

    private mutating func set(_ place: Int, _ value: Value) {
        entries[place].snapshot = ExportSnapshot(value.export, after: entries[place].snapshot)
        entries[place].origin = value.origin
    }

    /// Puts an entry at a place; what was there is evicted.
    @discardableResult
    private mutating func put(_ entry: Entry, at place: Int) -> Int {
        if place == entries.count {
            entries.append(entry)
        } else {
            if !entries[place].isGone { places[entries[place].id] = nil }
            entries[place] = entry
        }
        places[entry.id] = place
        isKnownNow(place)
        return place
    }

    /// A place that is free, or whose entry is evicted. The capacity must not be zero.
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
