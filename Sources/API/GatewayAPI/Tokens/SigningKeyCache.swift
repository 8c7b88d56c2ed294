import Exports

/// When one tenant's keys are fetched: the decisions of `SigningKeys`, without its calls.
///
/// Keys that were had once are good until others come, so that an authority that is down locks nobody out, and nobody who
/// names one of them waits. A key that is unknown is looked for anew, but not more often than once in an interval: anybody can
/// make up the name of a key. Until it was looked for, it is not said that there is none.
struct SigningKeyCache: Sendable {
    enum Answer: Sendable {
        case use(SigningKey)
        /// Fetch the keys, say so with `began`, and then ask `answerAfterFetch`.
        case fetch
        /// The authority has no such key.
        case unknown
        /// It is not known whether the authority has such a key, and may be asked again after this time.
        case unavailable(retryAfter: Duration)
    }

    /// How long keys are used before they are fetched again (`Upstream-EntraID, Access tokens`).
    static let lifetime = Duration.seconds(86_400)

    /// How long after a failed fetch there is none, unless the interval is shorter.
    static let failureWait = Duration.seconds(10)

    /// The least time between two fetches.
    let interval: Duration

    private var keys: [String: SigningKey]?
    private var fetchedAt: Timestamp?
    private var hasFailed = false
    /// From when on, and for how long, nothing is fetched.
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

    /// What is known for a token that waited for a fetch.
    func answerAfterFetch(for keyID: String, at now: Timestamp) -> Answer {
        if let key = keys?[keyID] { return .use(key) }
        return hasFailed ? .unavailable(retryAfter: rest(at: now)) : .unknown
    }

    /// Whether keys that were had are to be fetched again, whoever asks.
    func isDue(at now: Timestamp) -> Bool {
        guard let fetchedAt else { return false }
        return fetchedAt + Self.lifetime <= now && rest(at: now) == .zero
    }

    mutating func began(at now: Timestamp) { pause = (now, interval) }

    /// The keys came: those that are not among them any more are not good any more.
    mutating func fetched(_ keys: [String: SigningKey], at now: Timestamp) {
        self.keys = keys
        fetchedAt = now
        hasFailed = false
    }

    /// The keys did not come.
    mutating func failed(at now: Timestamp) {
        hasFailed = true
        pause = (now, min(interval, Self.failureWait))
    }

    /// For how long nothing is fetched yet.
    private func rest(at now: Timestamp) -> Duration {
        // A clock that was set back must not put the next fetch off.
        guard let pause, pause.start <= now else { return .zero }
        return max(.zero, pause.start + pause.length - now)
    }
}
