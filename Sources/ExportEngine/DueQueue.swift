import Exports

/// Which export is due when: a binary heap in which the latest word on an export counts.
struct DueQueue: Sendable {
    private struct Item: Sendable {
        var time: Timestamp
        var id: ExportID
    }

    private var heap: [Item] = []
    private var times: [ExportID: Timestamp] = [:]

    /// Sets or moves the time of an export.
    mutating func set(_ id: ExportID, at time: Timestamp) {
        guard times[id] != time else { return }
        times[id] = time
        heap.append(Item(time: time, id: id))
        siftUp(heap.count - 1)
    }

    mutating func remove(_ id: ExportID) { times[id] = nil }

    /// When the next export is due.
    mutating func nextTime() -> Timestamp? {
        dropOutdated()
        return heap.first?.time
    }

    /// Takes out the export that is due the longest at `now`; nil when none is.
    mutating func popDue(at now: Timestamp) -> ExportID? {
        dropOutdated()
        guard let first = heap.first, first.time <= now else { return nil }
        removeFirst()
        times[first.id] = nil
        return first.id
    }

    private mutating func dropOutdated() {
        while let first = heap.first, times[first.id] != first.time { removeFirst() }
    }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        siftDown(0)
    }

    private mutating func siftUp(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[index].time < heap[parent].time else { return }
            heap.swapAt(index, parent)
            index = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < heap.count && heap[child].time < heap[least].time { least = child }
            guard least != index else { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}
