extension GroupWriter {
    struct Limits: Sendable, Hashable {
        /// The most writes of one group.
        var group = 128
        /// The most writes that wait for a group. A further one is refused as `unavailable`.
        var queue = 8192
        /// How often a group is begun again after a deadlock, a lost connection and the like, at most.
        var attempts = 5
        /// The length in microseconds of one step in which a group is gathered. If one of the last few groups had at least `company`
        /// writes, the writer waits one or more steps, as long as writes come.
        var gathering: UInt32 = 300
        var gatheringSteps = 10
        var company = 4
        /// How long writes wait for a connection, where there is none. They fail then, and nothing of them was sent.
        var patience: Duration = .seconds(5)
        /// How long it is tried to find out whether a group is stored.
        var determination: Duration = .seconds(30)
    }
}
