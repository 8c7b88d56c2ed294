import Exports
import Synchronization
import SystemCrypto

/// The callers' own upstream tokens, by export: in memory only, the latest one counts.
final class CallerTokens: Sendable {
    /// Of a token that was refused, no more is known than what tells it from others.
    private struct Refusal {
        var digest: [UInt8]
        var since: Timestamp
        var until: Timestamp

        /// A clock that was set back must not prolong it.
        func stands(at now: Timestamp) -> Bool { since <= now && now < until }
    }

    private struct State {
        var tokens: RecentValues<Secret>
        /// The last one for each export.
        var refusals: RecentValues<Refusal>
    }

    private let state: Mutex<State>

    /// Keeps at most `capacity` tokens: the oldest give way.
    init(capacity: Int = 10_000) {
        state = Mutex(State(tokens: RecentValues(capacity: capacity), refusals: RecentValues(capacity: capacity)))
    }

    func token(for id: ExportID) -> Secret? { state.withLock { $0.tokens[id] } }

    /// Keeps a token, unless it was refused for this export a moment ago: false then.
    func keep(_ token: Secret, for id: ExportID, at now: Timestamp) -> Bool {
        state.withLock { state in
            if let refusal = state.refusals[id], refusal.stands(at: now), refusal.digest == Self.digest(token) {
                return false
            }
            state.tokens[id] = token
            return true
        }
    }

    /// Forgets a token that was refused, unless a newer one has come; it is not kept again for `pause`.
    func refuse(_ token: Secret, for id: ExportID, at now: Timestamp, pause: Duration) {
        state.withLock { state in
            if state.tokens[id] == token { state.tokens[id] = nil }
            state.refusals[id] = Refusal(digest: Self.digest(token), since: now, until: now + pause)
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
