import Exports
import Synchronization

/// The tokens that were issued, what each is good for, and everything else that must never show up in a log.
final class TokenBook: Sendable {
    enum Audience: String, Sendable {
        case graph = "https://graph.microsoft.com"
        case powerBI = "https://analysis.windows.net/powerbi/api"
        case purviewDownload = "b26e684c-5068-4120-a679-64a5d2c909d9"
    }

    /// What a token lets its bearer do.
    struct Grant: Sendable {
        var audience: Audience
        /// Whether it speaks for a signed-in user; else for the application alone.
        var delegated: Bool
        /// nil: as long as the sandbox runs.
        var expiresAt: Timestamp?
    }

    /// Why a token is not good enough, or what it grants.
    enum Verdict: Sendable {
        case absent
        case unknown
        case expired
        case wrongAudience
        case good(Grant)
    }

    private struct State {
        var grants: [String: Grant] = [:]
        var revoked: Set<String> = []
        var secrets: [String] = [SandboxSeed.clientSecret, SandboxSeed.delegatedToken]
        var known: Set<String> = []
    }

    private let state: Mutex<State>

    init() {
        var state = State()
        state.grants[SandboxSeed.delegatedToken] = Grant(audience: .graph, delegated: true, expiresAt: nil)
        self.state = Mutex(state)
    }

    func issue(_ token: String, _ grant: Grant) {
        state.withLock {
            $0.grants[token] = grant
            $0.secrets.append(token)
        }
    }

    func revoke(_ token: String) { state.withLock { _ = $0.revoked.insert(token) } }

    func judge(_ token: String?, for audience: Audience, at now: Timestamp) -> Verdict {
        guard let token else { return .absent }
        return state.withLock {
            guard let grant = $0.grants[token] else { return .unknown }
            guard grant.audience == audience else { return .wrongAudience }
            if $0.revoked.contains(token) { return .expired }
            if let end = grant.expiresAt, end <= now { return .expired }
            return .good(grant)
        }
    }

    /// Notes a secret that is no token: a SAS signature, a storage token of the caller's.
    func note(secret: String) {
        state.withLock {
            guard !secret.isEmpty, $0.known.insert(secret).inserted else { return }
            $0.secrets.append(secret)
        }
    }

    /// Every secret there has been, in the order of its making.
    var secrets: [String] { state.withLock { $0.secrets } }
}
