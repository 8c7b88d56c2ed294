import Exports
import Synchronization

/// What is asked for with one look: the list of a case, or one operation.
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

/// Who was asked for when, and of which operations the list told too little: a look that finds no place in the request budget is
/// made the next time, and not the list in its stead.
final class ObservationTurns: Sendable {
    /// How many are remembered of each.
    static let limit = 4096

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

    private struct State {
        var asked: [Key: UInt64] = [:]
        var unclear: Set<UpstreamReference> = []
        var turns: UInt64 = 0
    }

    private let state = Mutex(State())

    /// The parts in the order of their turns: first those that were asked for least recently, lists before others.
    func inTurn(_ parts: [ObservationPart]) -> [ObservationPart] {
        state.withLock { state in
            parts.map { part in
                let isOne = if case .one = part { true } else { false }
                return (part, (state.asked[Key(part)] ?? 0, isOne ? 1 : 0))
            }
            .sorted { $0.1 < $1.1 }
            .map(\.0)
        }
    }

    /// A part was asked for, whatever came of it.
    func asked(_ part: ObservationPart) {
        state.withLock { state in
            state.turns += 1
            state.asked[Key(part)] = state.turns
            if case .one(let reference) = part { state.unclear.remove(reference) }
            guard state.asked.count > Self.limit else { return }
            let oldest = state.turns - UInt64(Self.limit / 2)
            state.asked = state.asked.filter { $0.value > oldest }
        }
    }

    /// The list does not tell enough of these.
    func areUnclear(_ references: [UpstreamReference]) {
        state.withLock { state in
            for reference in references {
                // Some are never asked for again: their exports ended otherwise.
                if state.unclear.count >= Self.limit { state.unclear.removeFirst() }
                state.unclear.insert(reference)
            }
        }
    }

    func isUnclear(_ reference: UpstreamReference) -> Bool { state.withLock { $0.unclear.contains(reference) } }
}

extension Result where Success == Observation, Failure == ProviderError {
    /// The gateway's own wait, where that is the answer.
    var ownWait: ProviderError? {
        if case .failure(let error) = self, error.isOwnWait { error } else { nil }
    }
}
