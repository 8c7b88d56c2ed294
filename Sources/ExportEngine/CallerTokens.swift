import Exports
import Synchronization

/// The callers' own upstream tokens, by export: in memory only, the latest one counts.
final class CallerTokens: Sendable {
    private let tokens: Mutex<RecentValues<Secret>>

    /// Keeps at most `capacity` tokens: the oldest give way.
    init(capacity: Int = 10_000) {
        tokens = Mutex(RecentValues(capacity: capacity))
    }

    func token(for id: ExportID) -> Secret? { tokens.withLock { $0[id] } }

    func keep(_ token: Secret, for id: ExportID) { tokens.withLock { $0[id] = token } }

    /// Forgets a token that was refused, unless a newer one has come.
    func drop(_ token: Secret, for id: ExportID) {
        tokens.withLock { if $0[id] == token { $0[id] = nil } }
    }

    func forget(_ id: ExportID) { tokens.withLock { $0[id] = nil } }
}
