import Exports

/// When one tenant's keys are fetched: the decisions of `SigningKeys`, without its calls.
///
/// Fetched keys are valid until newer ones come. So an authority that is down locks nobody out, and a token with a known key
/// never waits. For an unknown key the keys are fetched again, but at most once in an interval, because a client can make up
/// the name of a key. Before that fetch, no token is refused because its key is unknown.
struct SigningKeyCache: Sendable {
    enum Answer: Sendable {
        case use(SigningKey)
        /// Fetch the keys, call `began`, and then `answerAfterFetch`.
        case fetch
        /// The authority has no such key.
        case unknown
        /// It is unknown whether the authority has such a key. Try again after this time.
        case unavailable(retryAfter: Duration)
    }

    /// How long keys are used before they are fetched again (`Upstream-EntraID, Access tokens`).
    static let lifetime = Duration.seconds(86_400)

    /// The pause after a failed fetch, unless the interval is shorter.
    static let failureWait = Duration.seconds(10)

    /// The least time between two fetches.
    let interval: Duration

    private var keys: [String: SigningKey]?
    private var fetchedAt: Timestamp?
    private var hasFailed = false
    /// The start and the length of a pause without fetches.
    private var pause: (start: Timestamp, length: Duration)?

    init(interval: Duration) {
        self.interval = interval
    }

    /// What to do for a token that names this key.
    func answer(for keyID: String, at now: Timestamp) -> Answer {
        if let key = keys?[keyID] { return .use(key) }
        let rest = rest(at: now)
        return rest > .zero ? .unavailable(retryAfter: rest) : .fetch
    }

    /// The answer for a token that waited for a fetch.
    func answerAfterFetch(for keyID: String, at now: Timestamp) -> Answer {
        if let key = keys?[keyID] { return .use(key) }
        return hasFailed ? .unavailable(retryAfter: rest(at: now)) : .unknown
    }

    /// Whether the keys must be fetched again because of their age.
    func isDue(at now: Timestamp) -> Bool {
        guard let fetchedAt else { return false }
        return fetchedAt + Self.lifetime <= now && rest(at: now) == .zero
    }

    mutating func began(at now: Timestamp) { pause = (now, interval) }

    /// The keys were fetched. Keys that are not among them are not valid any more.
    mutating func fetched(_ keys: [String: SigningKey], at now: Timestamp) {
        self.keys = keys
        fetchedAt = now
        hasFailed = false
    }

    /// The fetch failed.
    mutating func failed(at now: Timestamp) {
        hasFailed = true
        pause = (now, min(interval, Self.failureWait))
    }

    /// The rest of the pause.
    private func rest(at now: Timestamp) -> Duration {
        // If the clock was set back, the next fetch must not be delayed by that.
        guard let pause, pause.start <= now else { return .zero }
        return max(.zero, pause.start + pause.length - now)
    }
}
