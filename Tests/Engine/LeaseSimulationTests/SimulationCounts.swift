/// What happened in schedules: the proof that faults were really there.
struct SimulationCounts: Sendable {
    var schedules = 0
    var events = 0
    var requests = 0
    var pauses = 0
    var pausesBeyondLease = 0
    var clocksStopped = 0
    var cuts = 0
    var slowConnections = 0
    var lostRequests = 0
    var lostAnswers = 0
    /// Requests that were carried out before one that was sent earlier.
    var reordered = 0
    /// Requests that were carried out after their sender had given them up.
    var appliedLate = 0
    var wallClockJumps = 0
    var storageClockJumps = 0
    var storageRestarts = 0
    /// Processes that ended, with those that left.
    var kills = 0
    var leaves = 0
    var joins = 0
    var expirations = 0
    /// Registrations that were dropped because nobody knows whether a request was carried out.
    var undetermined = 0
    var claims = 0
    var handOvers = 0
    var lostLeases = 0
    var foundLeases = 0
    var takenOver = 0
    var acceptedWrites = 0
    var refusedWrites = 0
    var starts = 0
    /// Starts that waited because the registration was not valid for certain.
    var notValid = 0
    var unconfirmed = 0
    var virtualSeconds = 0
    /// How long after the last fault all was in order, in microseconds.
    var slowestRecovery: Int64 = 0

    private static let sums: [(String, any WritableKeyPath<Self, Int> & Sendable)] = [
        ("schedules", \.schedules), ("events", \.events), ("virtual seconds", \.virtualSeconds),
        ("requests", \.requests), ("requests lost", \.lostRequests), ("answers lost", \.lostAnswers),
        ("carried out in another order", \.reordered), ("carried out after being given up", \.appliedLate),
        ("pauses", \.pauses), ("of them beyond the lease", \.pausesBeyondLease),
        ("with the clock stopped", \.clocksStopped),
        ("cuts", \.cuts), ("slow connections", \.slowConnections), ("wall clock jumps", \.wallClockJumps),
        ("storage clock jumps", \.storageClockJumps), ("storage restarts", \.storageRestarts),
        ("processes ended", \.kills), ("of them planned", \.leaves), ("registrations", \.joins),
        ("expirations noticed", \.expirations), ("outcomes undetermined", \.undetermined), ("claims", \.claims),
        ("hand-overs", \.handOvers), ("leases lost", \.lostLeases), ("leases found", \.foundLeases),
        ("exports taken over", \.takenOver), ("writes accepted", \.acceptedWrites), ("writes refused", \.refusedWrites),
        ("starts", \.starts), ("starts delayed as not valid", \.notValid), ("starts unconfirmed", \.unconfirmed),
    ]

    static func += (sum: inout Self, next: Self) {
        for (_, path) in sums { sum[keyPath: path] += next[keyPath: path] }
        sum.slowestRecovery = max(sum.slowestRecovery, next.slowestRecovery)
    }

    var description: String {
        Self.sums.map { "\($0): \(self[keyPath: $1])" }.joined(separator: ", ")
            + ", slowest recovery: \(slowestRecovery / 1000) ms"
    }
}
