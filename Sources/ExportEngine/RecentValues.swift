import Exports

/// Values by export, at most `capacity` of them: the oldest give way.
struct RecentValues<Value: Sendable>: Sendable {
    private let capacity: Int
    private var values: [ExportID: Value] = [:]
    /// Oldest first; may hold ids whose value is gone.
    private var order: [ExportID] = []

    init(capacity: Int) {
        self.capacity = capacity
    }

    subscript(id: ExportID) -> Value? {
        get { values[id] }
        set {
            guard let newValue else {
                values[id] = nil
                return
            }
            if values.updateValue(newValue, forKey: id) == nil { order.append(id) }
            while values.count > capacity { values[order.removeFirst()] = nil }
            if order.count > 2 * capacity {
                var seen: Set<ExportID> = []
                order = order.filter { values[$0] != nil && seen.insert($0).inserted }
            }
        }
    }
}
