/// What is reserved, for what and for whom: the decisions of ``MemoryBudget``.
///
/// Each kind has a guaranteed part and a maximum. No kind can take what is guaranteed to another, even if it is not in use.
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

    /// How many pairs of a caller and a kind have something reserved.
    var shares: Int { callers.count }

    /// The most that one kind can have now: the total, without what the other kinds have taken or are guaranteed.
    func limit(of kind: MemoryKind) -> Int {
        let others = MemoryKind.allCases.reduce(0) { sum, other in
            other == kind ? sum : sum + max(reserved(other), other.guaranteed(of: total))
        }
        return min(kind.maximum(of: total), total - others)
    }

    /// Reserves bytes. Returns the reason where that is refused, and changes nothing then.
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

    /// Moves reserved bytes from the share of one caller, or of nobody, to that of another. Returns the reason where that is refused,
    /// and changes nothing then.
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
        // The entry of a caller with nothing reserved is removed, so that the table does not grow.
        callers[share] = mine > bytes ? mine - bytes : nil
    }
}
