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
            let digest = Self.digest(token)
            guard state.refusals[id]?.contains(where: { $0.digest == digest && $0.stands(at: now) }) != true else {
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
            let refusal = Refusal(digest: Self.digest(token), since: now, until: now + pause)
            // Clients that share an export may have a token each.
            let others = (state.refusals[id] ?? []).filter { $0.digest != refusal.digest && $0.stands(at: now) }
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
