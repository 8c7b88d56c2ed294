import Exports
import UpstreamHTTP

/// The life of the token for one scope: who may use it, who fetches the next one.
///
/// At most one fetch is under way; whoever is told to fetch must report back with `fetched`, `failed` or `gaveUp`.
/// No clock and no waiting of its own: every event says what time it is.
struct TokenCache: Sendable {
    enum Action: Equatable {
        case use(AccessToken)
        /// Nobody fetches: the asker does. A token that is still good may be used if that fails.
        case fetch
        /// Somebody fetches: wait for the outcome.
        case wait
        /// The authority refused a moment ago, and would refuse again.
        case refuse(ProviderError)

        static func == (lhs: Action, rhs: Action) -> Bool {
            switch (lhs, rhs) {
            case (.use(let left), .use(let right)): left == right
            case (.fetch, .fetch), (.wait, .wait): true
            case (.refuse(let left), .refuse(let right)): left.code == right.code
            default: false
            }
        }
    }

    /// An early renewal that failed is not tried again before this time has passed.
    static let renewalPause = Duration.seconds(30)
    /// An answer that refuses the credential stands for this long (`Upstream-EntraID, Errors`).
    static let refusalLife = Duration.seconds(60)

    private var grant: TokenGrant?
    /// Whether a fetch is under way.
    private(set) var isFetching = false
    private var refused: Refusal?

    /// `held` says that the authority asked for silence, for whatever key: then nothing is fetched.
    mutating func requested(
        at now: Timestamp,
        replacing rejected: AccessToken? = nil,
        held: Refusal? = nil
    ) -> Action {
        if let rejected, grant?.token.secret == rejected.secret { grant = nil }
        if let grant, let end = grant.token.expiresAt, now < end {
            if now < grant.refreshAt || isFetching || held != nil { return .use(grant.token) }
            isFetching = true
            return .fetch
        }
        grant = nil
        if isFetching { return .wait }
        if let refused, refused.stands(at: now) { return .refuse(refused.error) }
        if let held { return .refuse(held.error) }
        isFetching = true
        return .fetch
    }

    /// Whether there is a token, which may have ended.
    var hasToken: Bool { grant != nil }

    /// The refresh token that came with the token in use.
    var refreshToken: Secret? { grant?.refreshToken }

    /// A refusal stands no longer: there is something new to ask with.
    mutating func forgive() { refused = nil }

    /// The token to use, now and by everybody who waits.
    mutating func fetched(_ new: TokenGrant) -> AccessToken {
        isFetching = false
        refused = nil
        grant = new
        return new.token
    }

    /// The old token when it is still good, else nil: then the error is everybody's.
    mutating func failed(_ error: ProviderError, at now: Timestamp) -> AccessToken? {
        isFetching = false
        if var kept = grant, let end = kept.token.expiresAt, now < end {
            kept.refreshAt = now + max(Self.renewalPause, error.retryAfter ?? .zero)
            grant = kept
            return kept.token
        }
        let isRefusal = [.unauthenticated, .forbidden, .permanent].contains(error.code)
        let pause = error.retryAfter ?? (isRefusal ? Self.refusalLife : .zero)
        refused = pause > .zero ? Refusal(error, from: now, for: pause) : nil
        return nil
    }

    /// The fetcher was cancelled: somebody who waits takes over.
    mutating func gaveUp() { isFetching = false }
}

/// An error that stands for a while, so that what would give it again is not asked.
struct Refusal: Sendable {
    let error: ProviderError
    private let since: Timestamp
    private let until: Timestamp

    init(_ error: ProviderError, from now: Timestamp, for pause: Duration) {
        self.error = error
        since = now
        until = now + pause
    }

    /// A clock that was set back must not prolong it.
    func stands(at now: Timestamp) -> Bool { since <= now && now < until }
}
