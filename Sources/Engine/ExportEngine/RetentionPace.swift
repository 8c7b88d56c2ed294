/// How many exports a batch of the retention has, and how long the retention rests after it.
///
/// A batch is to take a fortieth of a second: so long do other writes wait for it at most. It then rests four times as long as the
/// batch took. So where the ledger is busy and batches take longer, they become smaller, and the rests longer.
struct RetentionPace: Sendable, Hashable {
    static let wanted = Duration.milliseconds(25)
    static let most = 200
    private static let restFactor = 4
    static let rests = Duration.milliseconds(20) ... .seconds(5)

    /// The size of the next batch.
    private(set) var limit = 25

    /// A batch has failed, perhaps because it took too long.
    mutating func failed() { limit = max(1, limit / 2) }

    /// A batch took so long. Returns how long to rest.
    mutating func took(_ time: Duration) -> Duration {
        if time > Self.wanted * 2 {
            limit = max(1, limit / 2)
        } else if time < Self.wanted {
            limit = min(Self.most, limit + max(1, limit / 4))
        }
        return (time * Self.restFactor).clamped(Self.rests)
    }
}
