import Exports
import UpstreamHTTP

/// The state of the token for one scope: who may use it, and who fetches the next one.
///
/// At most one fetch is under way. A task that is told to fetch must report with `fetched`, `failed` or `gaveUp`. It has no clock and
/// never waits: every event has its time.
struct TokenCache: Sendable {
    enum Action: Equatable {
        case use(AccessToken)
        /// No task is fetching: this one has to. A token that is still valid may be used if that fails.
        case fetch
        /// Another task is fetching: wait for the outcome.
        case wait
        /// The authority refused a moment ago, and would probably refuse again.
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
    /// After the authority has refused the credential, it is not called again for this long (`Upstream-EntraID, Errors`).
    static let refusalLife = Duration.seconds(60)

    private var grant: TokenGrant?
    /// Whether a fetch is under way.
    private(set) var isFetching = false
    private var refused: Refusal?

    /// Decides what a task that needs a token does. With `held`, the authority has asked for a pause, and nothing is fetched.
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

    /// Whether there is a token, which may have expired.
    var hasToken: Bool { grant != nil }

    /// The refresh token that came with the token in use.
    var refreshToken: Secret? { grant?.refreshToken }

    /// Removes a stored refusal, because there is a new credential to try.
    mutating func forgive() { refused = nil }

    /// Stores a new token, and returns it for all tasks that wait.
    mutating func fetched(_ new: TokenGrant) -> AccessToken {
        isFetching = false
        refused = nil
        grant = new
        return new.token
    }

    /// Returns the old token where it is still valid. Otherwise nil: then all tasks that wait get the error.
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

    /// The task that fetched was cancelled: another task takes over.
    mutating func gaveUp() { isFetching = false }
}

/// An error that is returned for a while without another call, because the call would fail in the same way.
struct Refusal: Sendable {
    let error: ProviderError
    private let since: Timestamp
    private let until: Timestamp

    init(_ error: ProviderError, from now: Timestamp, for pause: Duration) {
        self.error = error
        since = now
        until = now + pause
    }

    /// Whether it is still in force. A clock that was set back does not prolong it.
    func stands(at now: Timestamp) -> Bool { since <= now && now < until }
}
