/// What is reserved, for what and for whom: the decisions of ``MemoryBudget``.
///
/// Each kind has a part that is guaranteed to it, and a maximum. What is guaranteed to others and not taken by them is left alone.
struct MemoryAccount: Sendable {
    private struct Share: Hashable {
        var kind: MemoryKind
        var caller: String
    }

    let total: Int
    private var reserved: [MemoryKind: Int] = [:]
    private var callers: [Share: Int] = [:]

    init(total: Int) {
        self.total = total
    }

    /// Bytes that are reserved for one kind.
    func reserved(_ kind: MemoryKind) -> Int { reserved[kind, default: 0] }

    /// Callers that have something reserved, each once for each kind.
    var shares: Int { callers.count }

    /// The most that one kind can have now: what the others have taken, or are guaranteed, is left alone.
    func limit(of kind: MemoryKind) -> Int {
        let others = MemoryKind.allCases.reduce(0) { sum, other in
            other == kind ? sum : sum + max(reserved(other), other.guaranteed(of: total))
        }
        return min(kind.maximum(of: total), total - others)
    }

    /// Reserves; or says why not, and changes nothing.
    ///
    /// - Parameter ceiling: The most that is reserved of this kind afterwards, where that is less than its limit.
    mutating func take(
        _ bytes: Int,
        _ kind: MemoryKind,
        for caller: String?,
        upTo ceiling: Int? = nil
    ) -> MemoryRefusal? {
        let share = caller.map { Share(kind: kind, caller: $0) }
        if let share, let refusal = refusal(of: bytes, share) { return refusal }
        guard bytes <= min(limit(of: kind), ceiling ?? .max) - reserved(kind) else { return .full }
        reserved[kind, default: 0] += bytes
        if let share { callers[share, default: 0] += bytes }
        return nil
    }

    /// Counts what one caller, or nobody, has taken for another; or says why not, and changes nothing.
    mutating func move(
        _ bytes: Int,
        _ kind: MemoryKind,
        from old: String?,
        to caller: String?
    ) -> MemoryRefusal? {
        guard old != caller else { return nil }
        if let share = caller.map({ Share(kind: kind, caller: $0) }) {
            if let refusal = refusal(of: bytes, share) { return refusal }
            callers[share, default: 0] += bytes
        }
        drop(bytes, kind, of: old)
        return nil
    }

    private func refusal(of bytes: Int, _ share: Share) -> MemoryRefusal? {
        guard let limit = share.kind.callerMaximum(of: total), bytes > limit - callers[share, default: 0] else {
            return nil
        }
        return .caller(limit: limit)
    }

    /// Gives back what was taken.
    mutating func give(back bytes: Int, _ kind: MemoryKind, of caller: String?) {
        reserved[kind, default: 0] -= bytes
        drop(bytes, kind, of: caller)
    }

    private mutating func drop(_ bytes: Int, _ kind: MemoryKind, of caller: String?) {
        guard let share = caller.map({ Share(kind: kind, caller: $0) }), let mine = callers[share] else { return }
        // Callers that have gone leave nothing behind.
        callers[share] = mine > bytes ? mine - bytes : nil
    }
}
