public import Metrics
import Synchronization

/// The memory of the process that clients may take with what has a ``MemoryKind``: asked before something is held, and told when it is
/// let go of.
///
/// It counts what is reserved, not what the allocator has: who reserves knows the cost. Refusing early costs nothing; running out of
/// memory ends everybody's requests.
public final class MemoryBudget: Sendable {
    /// The fewest bytes that a process can serve with: what is guaranteed to a kind has place for the largest of it.
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

    /// Opens an account of so many bytes.
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

    /// Reserves `bytes` until the reservation is let go of.
    ///
    /// Throws `MemoryRefusal`, and nothing is reserved then.
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

    /// The most bytes that one kind can have now, those that it has included.
    public func limit(of kind: MemoryKind) -> Int { state.withLock { $0.limit(of: kind) } }

    /// Counts a refusal that was not counted when it was thrown, and has reached a client.
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

    /// Called under the lock, so that an older figure never comes last.
    private func show(_ account: MemoryAccount, _ kind: MemoryKind) { reserved[kind]?.set(account.reserved(kind)) }
}
