import Exports

/// Values by export, at most `capacity` of them: those that came first are evicted.
struct RecentValues<Value: Sendable>: Sendable {
    private struct Place: Sendable {
        var id: ExportID
        /// Numbers the insertions: an export whose value was removed may come again.
        var number: UInt64
    }

    private let capacity: Int
    private var values: [ExportID: (number: UInt64, value: Value)] = [:]
    /// Oldest first, including places whose value is gone.
    private var order: [Place] = []
    private var count: UInt64 = 0

    init(capacity: Int) {
        self.capacity = capacity
    }

    subscript(id: ExportID) -> Value? {
        get { values[id]?.value }
        set {
            guard let newValue else {
                values[id] = nil
                return
            }
            if values[id] == nil {
                count += 1
                order.append(Place(id: id, number: count))
            }
            values[id] = (values[id]?.number ?? count, newValue)
            while values.count > capacity {
                let oldest = order.removeFirst()
                if stands(oldest) { values[oldest.id] = nil }
            }
            if order.count > 2 * capacity { order = order.filter(stands) }
        }
    }

    /// The places that are kept, including those whose value is gone: at most twice the capacity.
    var placesHeld: Int { order.count }

    private func stands(_ place: Place) -> Bool { values[place.id]?.number == place.number }
}
