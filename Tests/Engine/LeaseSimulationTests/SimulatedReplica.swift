import ExportLedger

@testable import ExportEngine

/// A request to the table, from when it is sent until its answer is handled or given up.
struct Flight {
    enum Request {
        case join
        case renew
        case claim([Int])
        case free(Int, epoch: Int64)
        case leave
        case takeOver(Int, epoch: Int64, from: Int)
        case insert(lease: Int, owner: LeaseTable.Owner)
        case write(LeaseTable.Write, work: Int)
        case cancel(Int)
    }

    enum Answer {
        case nothing
        /// Nil where the registration has expired.
        case view(ReplicaView?, replica: Int, created: Int)
        case claimed([HeldLease])
        case tookOver([Taken], next: Int?)
        case inserted(Taken)
        case wrote(Bool)
        /// Nothing was done, because the registration has expired. The replica registers again, even if the storage's clock goes
        /// back and the registration would be valid again: it has dropped work that nobody else would take over then.
        case expired
    }

    /// An export as its new owner reads it.
    struct Taken {
        var export: Int
        var owner: LeaseTable.Owner
        var fence: Int64
        var phase: LeaseTable.Phase
        var polls: UInt8
    }

    var request: Request
    /// The registration that sent it.
    var replica: Int
    var process: Int
    var incarnation: Int16
    /// When it was sent, by the virtual clock and by the process's own.
    var sentAt: Int64
    var askedAt: Duration
    var answer = Answer.nothing
    /// Whether nobody waits for the answer any more.
    var isGivenUp = false
}

/// An export that a process works on.
struct Work {
    enum Stage {
        /// The next step is due later.
        case waiting
        case writing
        /// It is stored that the start may be made, and it is about to be made.
        case mayCall
        /// The start is on its way.
        case calling
    }

    var number: Int
    var export: Int
    var lease: Int
    var owner: LeaseTable.Owner
    var fence: Int64
    var phase: LeaseTable.Phase
    var polls: UInt8
    var stage = Stage.waiting
    /// What was written last.
    var written = LeaseTable.Phase.notStarted
}

/// One process of the gateway.
final class SimulatedReplica {
    var keeper: LeaseKeeper
    var incarnation: Int16 = 0
    var isRunning = true
    /// Stopped until then.
    var pausedUntil: Int64 = 0
    /// Its requests, its answers or both are lost until then.
    var cutUntil: Int64 = 0
    var losesRequests = false
    var losesAnswers = false
    /// Its requests are held on their way until then.
    var slowUntil: Int64 = 0
    /// How much faster its clock goes, in millionths.
    var rate: Int64 = 0
    /// How far its wall clock is off.
    var wallOffset: Int64 = 0
    /// How long its monotonic clock stood still: a virtual machine that was suspended.
    var lag: Int64 = 0
    /// Its clock stood still, and no renewal that was sent later has been answered yet.
    var isClockBehind = false
    /// Its registration's number; 0 without one.
    var replica = 0
    var works: [Work] = []
    /// Whether the renewal, or the registration, is under way.
    var isAsking = false
    var isClaiming = false
    var isFreeing = false
    /// What the last view said.
    var seenReplicas: [String] = []
    var seenCreated = 0

    init(keeper: LeaseKeeper) { self.keeper = keeper }

    /// Its monotonic clock, in microseconds.
    func elapsed(at now: Int64) -> Int64 { now + now * rate / 1_000_000 - lag }

    /// Begins again, as a new process.
    func restart(_ keeper: LeaseKeeper) {
        self.keeper = keeper
        incarnation += 1
        isRunning = true
        drop()
    }

    /// Drops everything that belongs to a registration.
    func drop() {
        replica = 0
        works.removeAll(keepingCapacity: true)
        (isAsking, isClaiming, isFreeing) = (false, false, false)
        (seenCreated, seenReplicas) = (0, [])
    }

    /// Drops the work under a lease.
    func drop(_ lease: HeldLease, number: Int) {
        works.removeAll { $0.owner == .lease(number, replica: replica, epoch: lease.epoch) }
    }
}
