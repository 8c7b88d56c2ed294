public import Metrics
import Synchronization

/// The memory of the process that clients may take, over everything that they can make it hold: asked before something is held,
/// and told when it is let go of.
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
                func counter(_ limit: String) -> Counter {
                    Counter(
                        label: "export_gateway_memory_refused_total",
                        dimensions: [("kind", kind.rawValue), ("limit", limit)],
                        factory: metrics
                    )
                }
                return (kind, Refusals(caller: counter("caller"), memory: counter("memory")))
            }
        )
        Meter(label: "export_gateway_memory_limit_bytes", factory: metrics).set(total)
    }

    /// Reserves `bytes` until the reservation is let go of.
    ///
    /// Throws `MemoryRefusal`, and nothing is reserved then.
    ///
    /// - Parameter caller: Whose share it counts for as well, where this kind has shares.
    public func reserve(
        _ bytes: Int,
        _ kind: MemoryKind,
        for caller: String? = nil
    ) throws(MemoryRefusal) -> MemoryReservation {
        try take(bytes, kind, for: caller)
        return MemoryReservation(of: bytes, kind, for: caller, in: self)
    }

    /// Bytes that are reserved for one kind.
    public func reserved(_ kind: MemoryKind) -> Int { state.withLock { $0.reserved(kind) } }

    /// The most bytes of one kind.
    public func maximum(of kind: MemoryKind) -> Int { kind.maximum(of: total) }

    fileprivate func take(_ bytes: Int, _ kind: MemoryKind, for caller: String?) throws(MemoryRefusal) {
        let refusal = state.withLock { account in
            let refusal = account.take(bytes, kind, for: caller)
            if refusal == nil { show(account, kind) }
            return refusal
        }
        guard let refusal else { return }
        switch refusal {
        case .caller: refusals[kind]?.caller.increment()
        case .full, .released: refusals[kind]?.memory.increment()
        }
        throw refusal
    }

    fileprivate func give(back bytes: Int, _ kind: MemoryKind, of caller: String?) {
        state.withLock { account in
            account.give(back: bytes, kind, of: caller)
            show(account, kind)
        }
    }

    /// Called under the lock, so that an older figure never comes last.
    private func show(_ account: MemoryAccount, _ kind: MemoryKind) { reserved[kind]?.set(account.reserved(kind)) }
}

/// Bytes of a ``MemoryBudget``: given back when it is let go of, or before by `release()`, once.
public final class MemoryReservation: Sendable {
    private let budget: MemoryBudget
    private let kind: MemoryKind
    private let caller: String?
    /// Nil when it was given back.
    private let size: Mutex<Int?>

    fileprivate init(of bytes: Int, _ kind: MemoryKind, for caller: String?, in budget: MemoryBudget) {
        self.budget = budget
        self.kind = kind
        self.caller = caller
        size = Mutex(bytes)
    }

    deinit { release() }

    /// The bytes that are reserved; 0 when they were given back.
    public var bytes: Int { size.withLock { $0 ?? 0 } }

    /// Reserves more, or less. Throws `MemoryRefusal`, and what was reserved stays so then.
    public func resize(to bytes: Int) throws(MemoryRefusal) {
        try size.withLock { size throws(MemoryRefusal) in
            guard let now = size else { throw .released }
            if bytes > now {
                try budget.take(bytes - now, kind, for: caller)
            } else if bytes < now {
                budget.give(back: now - bytes, kind, of: caller)
            }
            size = bytes
        }
    }

    /// Gives everything back.
    public func release() {
        size.withLock { size in
            guard let now = size else { return }
            size = nil
            budget.give(back: now, kind, of: caller)
        }
    }
}
