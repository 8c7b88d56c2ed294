/// The calls that wait for a connection, in their order.
struct PoolQueue {
    struct Call: Sendable {
        /// When it fails if no connection can be opened.
        var expiry: ContinuousClock.Instant
        var run: @Sendable (Result<PostgreSQLConnection, any Error>) -> Void
    }

    private var calls: [UInt64: Call] = [:]
    /// Their numbers, and those of calls that were cancelled: at most twice as many, and a few. Those before `next` were taken.
    private var order: [UInt64] = []
    private var next = 0

    var count: Int { calls.count }

    mutating func append(_ number: UInt64, _ call: Call) {
        calls[number] = call
        order.append(number)
    }

    mutating func remove(_ number: UInt64) -> Call? {
        defer { compact() }
        return calls.removeValue(forKey: number)
    }

    mutating func popFirst() -> Call? {
        defer { compact() }
        while next < order.count {
            next += 1
            if let call = calls.removeValue(forKey: order[next - 1]) { return call }
        }
        return nil
    }

    /// The expiry of the first.
    mutating func firstExpiry() -> ContinuousClock.Instant? {
        while next < order.count {
            if let call = calls[order[next]] { return call.expiry }
            next += 1
        }
        return nil
    }

    mutating func removeExpired(at now: ContinuousClock.Instant) -> [Call] {
        var expired: [Call] = []
        while let expiry = firstExpiry(), expiry <= now, let call = popFirst() { expired.append(call) }
        return expired
    }

    mutating func removeAll() -> [Call] {
        let all = order[next...].compactMap { calls[$0] }
        (calls, order, next) = ([:], [], 0)
        return all
    }

    private mutating func compact() {
        guard order.count > 2 * calls.count + 64 else { return }
        order = order[next...].filter { calls[$0] != nil }
        next = 0
    }
}
