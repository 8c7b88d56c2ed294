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

    /// Reserves; or says why not, and changes nothing.
    mutating func take(_ bytes: Int, _ kind: MemoryKind, for caller: String?) -> MemoryRefusal? {
        let share = caller.map { Share(kind: kind, caller: $0) }
        if let share, let limit = kind.callerMaximum(of: total), bytes > limit - callers[share, default: 0] {
            return .caller(limit: limit)
        }
        var free = kind.maximum(of: total) - reserved(kind)
        let taken = MemoryKind.allCases.reduce(0) { sum, other in
            sum + (other == kind ? reserved(kind) : max(reserved(other), other.guaranteed(of: total)))
        }
        free = min(free, total - taken)
        guard bytes <= free else { return .full }
        reserved[kind, default: 0] += bytes
        if let share { callers[share, default: 0] += bytes }
        return nil
    }

    /// Gives back what was taken.
    mutating func give(back bytes: Int, _ kind: MemoryKind, of caller: String?) {
        reserved[kind, default: 0] -= bytes
        guard let share = caller.map({ Share(kind: kind, caller: $0) }), let mine = callers[share] else { return }
        // Callers that have gone leave nothing behind.
        callers[share] = mine > bytes ? mine - bytes : nil
    }
}
