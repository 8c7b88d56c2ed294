import Exports
import Synchronization
import SystemCrypto

/// The callers' own upstream tokens, by export: in memory only, the latest one counts.
final class CallerTokens: Sendable {
    /// Of a token that was refused, no more is known than what tells it from others.
    private struct Refusal {
        var digest: [UInt8]
        /// It stands within this time only: a clock that was set back must not prolong it.
        var time: Range<Timestamp>
    }

    private struct State {
        var tokens: RecentValues<Secret>
        /// The last ones for each export, oldest first.
        var refusals: RecentValues<[Refusal]>
    }

    /// Of one export.
    private static let refusalsKept = 8

    private let state: Mutex<State>

    /// Keeps at most `capacity` tokens: the oldest give way.
    init(capacity: Int = 10_000) {
        state = Mutex(State(tokens: RecentValues(capacity: capacity), refusals: RecentValues(capacity: capacity)))
    }

    func token(for id: ExportID) -> Secret? { state.withLock { $0.tokens[id] } }

    /// Keeps a token, unless it was refused for this export a moment ago: false then.
    func keep(_ token: Secret, for id: ExportID, at now: Timestamp) -> Bool {
        state.withLock { state in
            if let refusals = state.refusals[id]?.filter({ $0.time.contains(now) }), !refusals.isEmpty {
                let digest = Self.digest(token)
                if refusals.contains(where: { $0.digest == digest }) { return false }
            }
            state.tokens[id] = token
            return true
        }
    }

    /// Forgets a token that was refused, unless a newer one has come; it is not kept again for `pause`.
    func refuse(_ token: Secret, for id: ExportID, at now: Timestamp, pause: Duration) {
        let refusal = Refusal(digest: Self.digest(token), time: now..<now + pause)
        state.withLock { state in
            if state.tokens[id] == token { state.tokens[id] = nil }
            // Clients that share an export may have a token each.
            let others = (state.refusals[id] ?? []).filter { $0.digest != refusal.digest && $0.time.contains(now) }
            state.refusals[id] = others.suffix(Self.refusalsKept - 1) + [refusal]
        }
    }

    func forget(_ id: ExportID) {
        state.withLock { state in
            state.tokens[id] = nil
            state.refusals[id] = nil
        }
    }

    private static func digest(_ token: Secret) -> [UInt8] { SHA256.hash(Array(token.reveal().utf8)) }
}
