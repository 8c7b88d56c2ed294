import Exports

/// When one tenant's keys are fetched: the decisions of `SigningKeys`, without its calls.
///
/// Keys that were had once are good until others come, so that an authority that is down locks nobody out. A key that is
/// unknown is looked for anew, but not more often than once in an interval: anybody can make up the name of a key.
struct SigningKeyCache: Sendable {
    enum Answer: Sendable {
        case use(SigningKey)
        /// Fetch the keys, say so with `began`, and then ask `known`.
        case fetch
        /// The authority has no such key.
        case unknown
        /// It is not known which keys the authority has.
        case unavailable
    }

    /// How long keys are used before they are fetched again (`powerbi-entra.md` B7).
    static let lifetime = Duration.seconds(86_400)

    /// The least time between two fetches.
    let interval: Duration

    private var keys: [String: SigningKey]?
    private var fetchedAt: Timestamp?
    private var triedAt: Timestamp?

    init(interval: Duration) {
        self.interval = interval
    }

    /// What to do for a token that names this key.
    func answer(for keyID: String, at now: Timestamp) -> Answer {
        // A clock that was set back must not put the next fetch off.
        let mayFetch = triedAt.map { now < $0 || $0 + interval <= now } ?? true
        let isFresh = fetchedAt.map { now < $0 + Self.lifetime } ?? false
        guard mayFetch, !isFresh || keys?[keyID] == nil else { return known(keyID) }
        return .fetch
    }

    /// What is known without a fetch.
    func known(_ keyID: String) -> Answer {
        guard let keys else { return .unavailable }
        return keys[keyID].map(Answer.use) ?? .unknown
    }

    mutating func began(at now: Timestamp) { triedAt = now }

    /// The keys came: those that are not among them any more are not good any more.
    mutating func fetched(_ keys: [String: SigningKey], at now: Timestamp) {
        self.keys = keys
        fetchedAt = now
    }
}
