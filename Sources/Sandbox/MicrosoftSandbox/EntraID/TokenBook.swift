import Exports
import Synchronization

/// The tokens that were issued, what each is good for, and everything else that must never show up in a log.
final class TokenBook: Sendable {
    /// A resource that tokens are for.
    struct Audience: Sendable, Hashable {
        let rawValue: String

        static let graph = Audience(rawValue: "https://graph.microsoft.com")

        init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// The resource of this name; nil for one that no service takes tokens for.
        init?(known name: String) {
            self.init(rawValue: name)
            guard Self.consented[self] != nil else { return nil }
        }

        /// What a user's token with `.default` carries: everything that this tenant has consented to.
        var consentedScopes: [String] { Self.consented[self] ?? [] }

        private static let consented: [Audience: [String]] = Services.all.reduce(into: [:]) {
            $0.merge($1.permissions) { $0 + $1 }
        }
    }

    /// By what a token was got: the account counts each.
    enum Proof: String, Sendable {
        case clientSecret, certificate, federatedCredential, onBehalfOf, refreshToken, imds, appService
    }

    /// What a token lets its bearer do.
    struct Grant: Sendable {
        var audience: Audience
        /// What a signed-in user let the application do in its name; nil where the application speaks for itself alone.
        var scopes: [String]?
        /// nil: as long as the sandbox runs.
        var expiresAt: Timestamp?

        /// Whether it speaks for a signed-in user.
        var isDelegated: Bool { scopes != nil }

        /// Whether a user granted a scope of this name, whatever stands behind the dot.
        func isDelegated(for family: String) -> Bool { scopes?.contains { $0.hasPrefix(family + ".") } ?? false }
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
        /// Whether each refresh token is good still.
        var refreshTokens: [String: Bool] = [:]
        var revoked: Set<String> = []
        var secrets: [String] = [
            SandboxSeed.clientSecret, SandboxSeed.expiredClientSecret, SandboxSeed.identityHeader,
        ]
        var known: Set<String> = []
        var issued: [String: Int] = [:]
    }

    private let state: Mutex<State>

    init() {
        var state = State()
        for (token, grant) in Services.all.flatMap({ $0.grants }) {
            state.grants[token] = grant
            state.secrets.append(token)
        }
        self.state = Mutex(state)
    }

    func issue(_ token: String, _ grant: Grant, by proof: Proof) {
        state.withLock {
            $0.grants[token] = grant
            $0.secrets.append(token)
            $0.issued[proof.rawValue, default: 0] += 1
        }
    }

    /// A refresh token is its user's and the application's, and of no resource. Using it does not end it.
    func issue(refreshToken token: String) {
        state.withLock {
            $0.refreshTokens[token] = true
            $0.secrets.append(token)
        }
    }

    /// Whether a refresh token is good still; nil for one that nobody was given.
    func isGood(refreshToken token: String) -> Bool? { state.withLock { $0.refreshTokens[token] } }

    func revoke(_ token: String) { state.withLock { _ = $0.revoked.insert(token) } }

    func revokeRefreshTokens() { state.withLock { $0.refreshTokens = $0.refreshTokens.mapValues { _ in false } } }

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

    /// Notes a secret that is no token of this book's: a SAS signature, a storage token of the caller's, an assertion.
    func note(secret: String) {
        state.withLock {
            guard !secret.isEmpty, $0.known.insert(secret).inserted else { return }
            $0.secrets.append(secret)
        }
    }

    /// Every secret there has been, in the order of its making.
    var secrets: [String] { state.withLock { $0.secrets } }

    /// How many tokens each kind of proof has brought.
    var issued: [String: Int] { state.withLock { $0.issued } }
}
