import Synchronization

/// Reserved bytes of a ``MemoryBudget``. They are given back once: by `release()`, or with the last reference to this object.
public final class MemoryReservation: Sendable {
    private struct State {
        /// Nil when it was given back.
        var size: Int?
        /// Whose share it counts for.
        var caller: String?
    }

    private let budget: MemoryBudget
    private let kind: MemoryKind
    private let state: Mutex<State>

    init(of bytes: Int, _ kind: MemoryKind, for caller: String?, in budget: MemoryBudget) {
        self.budget = budget
        self.kind = kind
        state = Mutex(State(size: bytes, caller: caller))
    }

    deinit { release() }

    /// The bytes that are reserved; 0 when they were given back.
    public var bytes: Int { state.withLock { $0.size ?? 0 } }

    /// Changes how much is reserved. Throws `MemoryRefusal` where that is refused; the reservation is unchanged then.
    ///
    /// - Parameters:
    ///   - ceiling: The most bytes that are reserved of this kind afterwards, where that is less than its limit.
    ///   - isCounted: Whether a refusal is one for a client, and counts in the metrics.
    public func resize(to bytes: Int, upTo ceiling: Int? = nil, isCounted: Bool = true) throws(MemoryRefusal) {
        try state.withLock { state throws(MemoryRefusal) in
            guard let now = state.size else { throw .released }
            if bytes > now {
                try budget.take(bytes - now, kind, for: state.caller, upTo: ceiling, isCounted: isCounted)
            } else if bytes < now {
                budget.give(back: now - bytes, kind, of: state.caller)
            }
            state.size = bytes
        }
    }

    /// Counts it for the share of this caller from now on. Throws `MemoryRefusal` where that is refused, without counting it in the
    /// metrics; nothing has changed then.
    public func assign(to caller: String?) throws(MemoryRefusal) {
        try state.withLock { state throws(MemoryRefusal) in
            guard let now = state.size else { throw .released }
            try budget.move(now, kind, from: state.caller, to: caller)
            state.caller = caller
        }
    }

    /// Gives everything back.
    public func release() {
        state.withLock { state in
            guard let now = state.size else { return }
            state.size = nil
            budget.give(back: now, kind, of: state.caller)
        }
    }
}
