import TestSupport

/// What happens next, in virtual time. Events of the same time happen in the order of their numbers.
final class EventQueue {
    enum Kind: UInt8 {
        case heartbeat, step, call, callLeaves, callReached, callAnswered, arrives, answered, timedOut
        case fault, restart, create, cancel
    }

    struct Event {
        var time: Int64
        var number: Int32
        var kind: Kind
        /// The process; -1 for none.
        var process: Int8
        /// Which life of the process it belongs to.
        var incarnation: Int16
        var first: Int32
        var second: Int32

        @inline(__always)
        func isBefore(_ other: Event) -> Bool {
            time < other.time || (time == other.time && number < other.number)
        }
    }

    // Memory of its own: an array is slow here without optimization.
    private var heap = UnsafeMutablePointer<Event>.allocate(capacity: 64)
    private var capacity = 64
    private var count = 0
    private var lastNumber: Int32 = 0

    deinit { heap.deallocate() }

    func add(
        _ kind: Kind,
        at time: Int64,
        process: Int = -1,
        incarnation: Int16 = 0,
        _ first: Int = 0,
        _ second: Int = 0
    ) {
        lastNumber += 1
        insert(
            Event(
                time: time,
                number: lastNumber,
                kind: kind,
                process: Int8(process),
                incarnation: incarnation,
                first: Int32(first),
                second: Int32(second)
            )
        )
    }

    /// Adds an event again, for later, in its former place among those of that time.
    func insert(_ event: Event) {
        if count == capacity {
            let larger = UnsafeMutablePointer<Event>.allocate(capacity: 2 * capacity)
            larger.moveInitialize(from: heap, count: count)
            heap.deallocate()
            (heap, capacity) = (larger, 2 * capacity)
        }
        let heap = heap
        var index = count
        count += 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard event.isBefore(heap[parent]) else { break }
            heap[index] = heap[parent]
            index = parent
        }
        heap[index] = event
    }

    func next() -> Event? {
        guard count > 0 else { return nil }
        count -= 1
        let (heap, count) = (heap, count)
        let (first, last) = (heap[0], heap[count])
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < count else { break }
            if child + 1 < count, heap[child + 1].isBefore(heap[child]) { child += 1 }
            guard heap[child].isBefore(last) else { break }
            heap[index] = heap[child]
            index = child
        }
        heap[index] = last
        return first
    }
}

extension SeededRandom {
    /// A number from `lower` to `upper`, both included.
    mutating func between(_ lower: Int64, _ upper: Int64) -> Int64 { lower + Int64(below(Int(upper - lower + 1))) }

    /// True once in `times`.
    mutating func once(in times: Int) -> Bool { below(times) == 0 }
}
