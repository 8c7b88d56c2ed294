/// The limits of event streams.
public struct EventSettings: Sendable, Hashable {
    /// The most streams at a time.
    public var maximumStreams = 512
    /// The most streams of one caller at a time.
    public var streamsPerCaller = 100
    /// How often a stream sends something, and its caller is checked again, where nothing changes.
    public var heartbeat: Duration = .seconds(15)
    /// The most bytes of events that wait for a client. Where more come, the stream catches up from the ledger.
    public var pendingBytes = 65_536
    /// How long a stream lasts at most. Then it is ended, and its client comes back for another one.
    public var longestStream: Duration = .seconds(3_600)
    /// How long clients are told to wait before they come back, at least; at most twice as long.
    public var retry: Duration = .seconds(2)
    /// How many changes of all exports are looked at for a client that comes back. With more, it gets a snapshot.
    public var replayLimit = 10_000

    /// The defaults.
    public init() {}
}
