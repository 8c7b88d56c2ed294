import Exports
import Synchronization
import SystemCrypto

/// The callers' own upstream tokens, by export. They are in memory only; the latest one of an export counts.
final class CallerTokens: Sendable {
    /// A token that was refused. Only its digest is kept.
    private struct Refusal {
        var digest: [UInt8]
        /// The refusal holds within this time only: a clock that was set back must not prolong it.
        var time: Range<Timestamp>
    }

    private struct State {
        var tokens: RecentValues<Secret>
        /// The last refusals of each export, oldest first.
        var refusals: RecentValues<[Refusal]>
    }

    /// How many refusals of one export are kept.
    private static let refusalsKept = 8

    private let state: Mutex<State>

    /// Keeps at most `capacity` tokens: the oldest are evicted.
    init(capacity: Int = 10_000) {
        state = Mutex(State(tokens: RecentValues(capacity: capacity), refusals: RecentValues(capacity: capacity)))
    }

    func token(for id: ExportID) -> Secret? { state.withLock { $0.tokens[id] } }

    /// Keeps a token. Returns false, and does not keep it, if it was refused for this export a moment ago.
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

    /// Removes a token that was refused, unless a newer one has come; it is not kept again for `pause`.
    func refuse(_ token: Secret, for id: ExportID, at now: Timestamp, pause: Duration) {
        let refusal = Refusal(digest: Self.digest(token), time: now..<now + pause)
        state.withLock { state in
            if state.tokens[id] == token { state.tokens[id] = nil }
            // Several clients of one caller may use different tokens for the same export.
            let others = (state.refusals[id] ?? []).filter { $0.digest != refusal.digest && $0.time.contains(now) }
            state.refusals[id] = others.suffix(Self.refusalsKept - 1) + [refusal]
        }
    }

    func remove(_ id: ExportID) {
        state.withLock { state in
            state.tokens[id] = nil
            state.refusals[id] = nil
        }
    }

    private static func digest(_ token: Secret) -> [UInt8] { SHA256.hash(Array(token.reveal().utf8)) }
}
