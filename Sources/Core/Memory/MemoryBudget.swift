public import Metrics
import Synchronization

/// The memory that clients may use, over all kinds (``MemoryKind``). Memory is reserved before something is stored for a client, and
/// released afterwards.
///
/// It counts reservations, not the allocator's real use: the code that reserves knows what its work costs. To refuse one request
/// early is cheap; a process that runs out of memory ends all requests.
public final class MemoryBudget: Sendable {
    /// The smallest total with which the gateway can work: the guaranteed part of each kind is large enough for the largest single
    /// reservation of that kind.
    public static let smallest = 16 << 20

    /// Bytes over all kinds.
    public let total: Int

    private let state: Mutex<MemoryAccount>
    private let reserved: [MemoryKind: Meter]
    private let refusals: [MemoryKind: Refusals]

    private struct Refusals: Sendable {
        var caller: Counter
        var memory: Counter
    }

    /// Makes a budget of `total` bytes.
    public init(total: Int, metrics: any MetricsFactory) {
        self.total = total
        state = Mutex(MemoryAccount(total: total))
        reserved = Dictionary(
            uniqueKeysWithValues: MemoryKind.allCases.map { kind in
                let dimensions = [("kind", kind.rawValue)]
                let meter = Meter(
                    label: "export_gateway_memory_reserved_bytes",
                    dimensions: dimensions,
                    factory: metrics
                )
                meter.set(0)
                return (kind, meter)
            }
        )
        refusals = Dictionary(
            uniqueKeysWithValues: MemoryKind.allCases.map { kind in
                func counter(_ reason: String) -> Counter {
                    Counter(
                        label: "export_gateway_memory_reservations_refused_total",
                        dimensions: [("kind", kind.rawValue), ("reason", reason)],
                        factory: metrics
                    )
                }
                return (kind, Refusals(caller: counter("caller-limit"), memory: counter("memory-limit")))
            }
        )
        Meter(label: "export_gateway_memory_limit_bytes", factory: metrics).set(total)
    }

    /// Reserves `bytes` until the reservation is released, or its last reference is gone.
    ///
    /// Throws `MemoryRefusal` where that is refused; nothing is reserved then.
    ///
    /// - Parameters:
    ///   - caller: Whose share it counts for as well, where this kind has shares.
    ///   - ceiling: The most bytes that are reserved of this kind afterwards, where that is less than its limit.
    ///   - isCounted: Whether a refusal is one for a client, and counts in the metrics.
    public func reserve(
        _ bytes: Int,
        _ kind: MemoryKind,
        for caller: String? = nil,
        upTo ceiling: Int? = nil,
        isCounted: Bool = true
    ) throws(MemoryRefusal) -> MemoryReservation {
        try take(bytes, kind, for: caller, upTo: ceiling, isCounted: isCounted)
        return MemoryReservation(of: bytes, kind, for: caller, in: self)
    }

    /// Bytes that are reserved for one kind.
    public func reserved(_ kind: MemoryKind) -> Int { state.withLock { $0.reserved(kind) } }

    /// The most bytes of one kind.
    public func maximum(of kind: MemoryKind) -> Int { kind.maximum(of: total) }

    /// The most bytes that one kind can have now, including those that it has.
    public func limit(of kind: MemoryKind) -> Int { state.withLock { $0.limit(of: kind) } }

    /// Counts a refusal that was not counted when it was thrown. Called when a client's request is refused because of it.
    public func count(_ refusal: MemoryRefusal, of kind: MemoryKind) {
        switch refusal {
        case .caller: refusals[kind]?.caller.increment()
        case .full, .released: refusals[kind]?.memory.increment()
        }
    }

    func take(
        _ bytes: Int,
        _ kind: MemoryKind,
        for caller: String?,
        upTo ceiling: Int?,
        isCounted: Bool
    ) throws(MemoryRefusal) {
        let refusal = state.withLock { account in
            let refusal = account.take(bytes, kind, for: caller, upTo: ceiling)
            if refusal == nil { show(account, kind) }
            return refusal
        }
        guard let refusal else { return }
        if isCounted { count(refusal, of: kind) }
        throw refusal
    }

    func move(
        _ bytes: Int,
        _ kind: MemoryKind,
        from old: String?,
        to caller: String?
    ) throws(MemoryRefusal) {
        if let refusal = state.withLock({ $0.move(bytes, kind, from: old, to: caller) }) { throw refusal }
    }

    func give(back bytes: Int, _ kind: MemoryKind, of caller: String?) {
        state.withLock { account in
            account.give(back: bytes, kind, of: caller)
            show(account, kind)
        }
    }

    /// Called while the lock is held, so that an older value never overwrites a newer one.
    private func show(_ account: MemoryAccount, _ kind: MemoryKind) { reserved[kind]?.set(account.reserved(kind)) }
}
