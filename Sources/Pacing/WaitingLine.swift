import Exports

/// A call that wants a place in a budget.
public struct PacedCall: Sendable {
    public var priority: CallPriority
    /// Which host is called: what it asks for, a hold, is for its own calls.
    public var host: String
    /// For whom: calls of one class are made for each caller in turn.
    public var caller: String?
    /// For which export: calls for one caller are made for each of its exports in turn.
    public var export: ExportID?
    /// The longest wait. A start that is next waits longer than that; see `BudgetState`.
    public var patience: Duration

    /// Describes a call.
    public init(
        _ priority: CallPriority,
        host: String,
        caller: String? = nil,
        export: ExportID? = nil,
        patience: Duration
    ) {
        self.priority = priority
        self.host = host
        self.caller = caller
        self.export = export
        self.patience = patience
    }
}

/// The waiting calls of one class: callers take turns, and within a caller its exports do.
struct WaitingLine: Sendable {
    struct Waiter: Sendable {
        var ticket: UInt64
        var call: PacedCall
        /// When it is told that there is no place.
        var deadline: Int64
    }

    private struct ExportTurn: Hashable {
        var caller: String?
        var export: ExportID?
    }

    private(set) var waiters: [Waiter] = []
    /// When each was served last, counted in turns. Whoever is not in here was served long ago, or never.
    private var callersServed: [String?: UInt64] = [:]
    private var exportsServed: [ExportTurn: UInt64] = [:]
    private var turns: UInt64 = 0
    private static let remembered = 4096

    var count: Int { waiters.count }

    mutating func append(_ waiter: Waiter) { waiters.append(waiter) }

    mutating func remove(_ ticket: UInt64) -> Waiter? {
        guard let index = waiters.firstIndex(where: { $0.ticket == ticket }) else { return nil }
        return waiters.remove(at: index)
    }

    mutating func removeAll(where isOver: (Waiter) -> Bool) -> [Waiter] {
        let over = waiters.filter(isOver)
        if !over.isEmpty { waiters.removeAll(where: isOver) }
        return over
    }

    /// Whose turn it is, among those that may go.
    func next(where mayGo: (Waiter) -> Bool) -> Waiter? {
        var best: (waiter: Waiter, key: (UInt64, UInt64, UInt64))?
        for waiter in waiters where mayGo(waiter) {
            let turn = ExportTurn(caller: waiter.call.caller, export: waiter.call.export)
            let key = (callersServed[waiter.call.caller] ?? 0, exportsServed[turn] ?? 0, waiter.ticket)
            if best.map({ key < $0.key }) ?? true { best = (waiter, key) }
        }
        return best?.waiter
    }

    /// Notes that it was this call's turn.
    mutating func served(_ call: PacedCall) {
        turns += 1
        callersServed[call.caller] = turns
        exportsServed[ExportTurn(caller: call.caller, export: call.export)] = turns
        let oldest = turns > UInt64(Self.remembered / 2) ? turns - UInt64(Self.remembered / 2) : 0
        if callersServed.count > Self.remembered { callersServed = callersServed.filter { $0.value > oldest } }
        if exportsServed.count > Self.remembered { exportsServed = exportsServed.filter { $0.value > oldest } }
    }
}
