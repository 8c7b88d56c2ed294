import Exports
import HeapModule

/// The due times of exports: a heap in which the latest time of an export counts.
struct DueQueue: Sendable {
    private struct Item: Sendable, Comparable {
        var time: Timestamp
        var id: ExportID

        static func < (one: Item, other: Item) -> Bool { one.time < other.time }
    }

    private var heap = Heap<Item>()
    private var times: [ExportID: Timestamp] = [:]

    /// The exports that have a time.
    var count: Int { times.count }
    /// The items in the heap, including those that a later time has replaced: at most twice as many, and a few.
    var itemCount: Int { heap.count }

    /// Sets or moves the time of an export.
    mutating func set(_ id: ExportID, at time: Timestamp) {
        guard times[id] != time else { return }
        times[id] = time
        heap.insert(Item(time: time, id: id))
        guard heap.count > 2 * times.count + 64 else { return }
        heap = Heap(times.map { Item(time: $0.value, id: $0.key) })
    }

    mutating func remove(_ id: ExportID) { times[id] = nil }

    /// When the next export is due.
    mutating func nextTime() -> Timestamp? {
        dropOutdated()
        return heap.min?.time
    }

    /// Removes and returns the export that has been due for longest at `now`; nil when none is due.
    mutating func popDue(at now: Timestamp) -> ExportID? {
        dropOutdated()
        guard let first = heap.min, first.time <= now else { return nil }
        heap.removeMin()
        times[first.id] = nil
        return first.id
    }

    private mutating func dropOutdated() {
        while let first = heap.min, times[first.id] != first.time { heap.removeMin() }
    }
}
