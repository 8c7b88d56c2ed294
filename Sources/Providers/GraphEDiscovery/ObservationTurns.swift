import Exports
import Synchronization

/// What is asked for with one poll: the list of a case, or one operation.
enum ObservationPart: Sendable {
    case list(_ caseID: String, [UpstreamReference])
    case one(UpstreamReference)

    var references: [UpstreamReference] {
        switch self {
        case .list(_, let members): members
        case .one(let reference): [reference]
        }
    }
}

/// Whose turn it is to be asked for: first callers take turns by their weights, then what is asked for one of them. A poll that
/// finds no place in the request budget is made the next time, and not another one in its stead.
///
/// Within a caller, what was asked for least recently comes first; what was never asked for counts from its first coming, so that
/// who has ever new cases does not keep the old ones from being asked for. What came at the same time goes in the order in which
/// it was handed in.
final class ObservationTurns: Sendable {
    /// The entries are kept in two halves, each of so many.
    static let capacity = 4096

    private enum Key: Hashable {
        case list(String)
        case one(UpstreamReference)

        init(_ part: ObservationPart) {
            switch part {
            case .list(let caseID, _): self = .list(caseID)
            case .one(let reference): self = .one(reference)
            }
        }
    }

    private struct Entry {
        /// When it was asked for last, or came first, counted in turns.
        var turn: UInt64
        /// Whether the list tells too little of it.
        var isUnclear = false
    }

    private struct State {
        // Entries that are not used any more stay in the older half, which is dropped when the newer half is full.
        private var newer: [Key: Entry] = [:]
        private var older: [Key: Entry] = [:]
        var turns: UInt64 = 0
        var callers = FairTurns<CallerShare?>()

        func entry(_ key: Key) -> Entry? { newer[key] ?? older[key] }

        mutating func set(_ key: Key, _ entry: Entry) {
            if newer.count >= ObservationTurns.capacity, newer[key] == nil { (older, newer) = (newer, [:]) }
            newer[key] = entry
        }
    }

    private let state = Mutex(State())

    /// The parts in the order of their turns, for the callers whose exports are among them.
    func inTurn(
        _ parts: [ObservationPart],
        owners: [UpstreamReference: [CallerShare]] = [:]
    ) -> [ObservationPart] {
        state.withLock { state in
            let standing = parts.enumerated()
                .map { place, part in
                    let key = Key(part)
                    let entry = state.entry(key) ?? Entry(turn: state.turns)
                    state.set(key, entry)
                    let isOne = if case .one = part { true } else { false }
                    return (
                        callers: Self.callers(of: part, owners), age: (entry.turn, isOne ? 1 : 0, place), part: part
                    )
                }
                .sorted { $0.age < $1.age }
            // The turn of each part, if all parts before it need one call each.
            var counts: [CallerShare?: Int] = [:]
            return standing.enumerated()
                .map { age, one in
                    let begin = one.callers.map { caller in
                        let before = counts[caller, default: 0]
                        counts[caller] = before + 1
                        return state.callers.begin(caller) + Double(before) / Double(caller?.weight ?? 1)
                    }
                    return (order: (begin.min() ?? 0, age), part: one.part)
                }
                .sorted { $0.order < $1.order }
                .map(\.part)
        }
    }

    /// So many calls were made for a part. Where the request budget had no place for the rest of them, it is not `isOver`: it keeps
    /// its turn among those of its callers.
    func asked(
        _ part: ObservationPart,
        calls: Int = 1,
        isOver: Bool = true,
        owners: [UpstreamReference: [CallerShare]] = [:]
    ) {
        state.withLock { state in
            state.callers.served(Self.callers(of: part, owners).map { ($0, $0?.weight ?? 1) }, cost: calls)
            guard isOver else { return }
            state.turns += 1
            state.set(Key(part), Entry(turn: state.turns))
        }
    }

    /// The list does not tell enough of these.
    func areUnclear(_ references: [UpstreamReference]) {
        state.withLock { state in
            for reference in references {
                let turn = state.entry(.one(reference))?.turn ?? state.turns
                state.set(.one(reference), Entry(turn: turn, isUnclear: true))
            }
        }
    }

    func isUnclear(_ reference: UpstreamReference) -> Bool {
        state.withLock { $0.entry(.one(reference))?.isUnclear ?? false }
    }

    /// For whom a part is asked for; nobody known counts as one.
    private static func callers(
        of part: ObservationPart,
        _ owners: [UpstreamReference: [CallerShare]]
    ) -> [CallerShare?] {
        let callers = Set(part.references.flatMap { owners[$0] ?? [] })
        return callers.isEmpty ? [nil] : Array(callers)
    }
}

extension Result where Success == Observation, Failure == ProviderError {
    /// The gateway's own wait, where that is the answer.
    var ownWait: ProviderError? {
        if case .failure(let error) = self, error.isOwnWait { error } else { nil }
    }
}
