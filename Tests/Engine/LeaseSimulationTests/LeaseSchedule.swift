import ExportLedger
import TestSupport

@testable import ExportEngine

/// One schedule: replicas with `LeaseKeeper`, the table that they share, and what goes wrong between them, all from one seed, in
/// virtual time. Times are microseconds.
final class LeaseSchedule {
    /// What can be switched, so that the harness shows that it finds what is wrong.
    struct Options: Sendable {
        /// What updates compare.
        var fencing = LeaseTable.Fencing.complete
        /// Whether a replica that does not know the outcome of a write makes it again, and keeps its registration.
        var retriesUndetermined = false
        /// Whether replicas count the validity of their registration by the wall clock, which jumps.
        var countsByWallClock = false
    }

    static let lifetime: Int64 = 10_000_000
    static let heartbeat: Int64 = 2_500_000
    /// After this time without an answer, the connection counts as lost.
    static let patience: Int64 = 2_000_000
    /// How long after the last fault all must be in order: registrations that were renewed last, as seen by a clock that was set
    /// back by as much again, work of some seconds, and a move for each heartbeat.
    static let settleLimit: Int64 = 6 * lifetime
    static let polls: UInt8 = 2

    let seed: UInt64
    let options: Options
    var random: SeededRandom
    var now: Int64 = 0
    let queue = EventQueue()
    var table: LeaseTable
    var witness: LeaseWitness
    var processes: [SimulatedReplica] = []
    var flights: [Flight] = []
    var unusedFlights: [Int] = []
    var lastWork = 0
    /// The table's clock is ahead by this.
    var storageOffset: Int64 = 0
    var storageRate: Int64 = 0
    /// Until then, registrations may expire too early, because the storage's clock was set ahead by more than the margin.
    var storageJumpedUntil: Int64 = -1
    /// The next jump of the storage's clock within the margin.
    var smallJumpsFrom: Int64 = 0
    var storageDownUntil: Int64 = 0
    var faultsEnd: Int64 = 0
    /// How many exports are not created yet.
    var toCreate = 0
    /// When the newest request of each process that has reached the storage was sent.
    var lastArrival: [Int64] = []
    var counts = SimulationCounts()
    let names: [String]

    init(seed: UInt64, options: Options = Options()) {
        (self.seed, self.options) = (seed, options)
        random = SeededRandom(seed: seed)
        let leases = 1 + random.below(4)
        names = Array(Names.leases[..<leases])
        table = LeaseTable(leases: leases, lifetime: Self.lifetime, fencing: options.fencing)
        witness = LeaseWitness(leases: leases)
        storageRate = random.between(-10_000, 10_000)
        let keeper = newKeeper()
        for process in 0..<2 + random.below(3) {
            let replica = SimulatedReplica(keeper: keeper)
            replica.rate = random.between(-10_000, 10_000)
            processes.append(replica)
            lastArrival.append(0)
            queue.add(.heartbeat, at: random.between(0, 1_000_000), process: process)
        }
        toCreate = 2 + random.below(4)
        for _ in 0..<toCreate { queue.add(.create, at: random.between(500_000, 12_000_000)) }
        if random.once(in: 3) { queue.add(.cancel, at: random.between(3_000_000, 15_000_000)) }
        addFaults()
    }

    func newKeeper() -> LeaseKeeper {
        LeaseKeeper(names: Names.sets[names.count], lifetime: .microseconds(Self.lifetime))
    }

    /// The storage's clock.
    var storageNow: Int64 { now + now * storageRate / 1_000_000 + storageOffset }

    /// The clock by which a process counts how long its registration is valid.
    func clock(of process: Int) -> Duration {
        let replica = processes[process]
        let elapsed = replica.elapsed(at: now)
        return .microseconds(options.countsByWallClock ? elapsed + replica.wallOffset : elapsed)
    }

    /// Runs until all is in order after the last fault, or for the limit.
    func run() -> LeaseWitness.Violations {
        while let event = queue.next() {
            now = event.time
            counts.events += 1
            if now > faultsEnd + Self.settleLimit {
                witness.foundUnfinished()
                break
            }
            if handle(event) { break }
        }
        counts.schedules += 1
        counts.virtualSeconds += Int(now / 1_000_000)
        counts.slowestRecovery = max(counts.slowestRecovery, now - faultsEnd)
        return witness.violations
    }

    /// Returns whether all is in order.
    private func handle(_ event: EventQueue.Event) -> Bool {
        let process = Int(event.process)
        switch event.kind {
        case .arrives: arrives(Int(event.first))
        case .callReached: witness.started(Int(event.first))
        case .fault: begin(fault: Int(event.first))
        case .create: createExport()
        case .cancel: cancelExport()
        case .restart: restart(process)
        default:
            guard processes[process].isRunning, processes[process].incarnation == event.incarnation else {
                if event.kind == .answered || event.kind == .timedOut { release(Int(event.first)) }
                return false
            }
            if processes[process].pausedUntil > now {
                var later = event
                later.time = processes[process].pausedUntil
                queue.insert(later)
                return false
            }
            return handle(event, of: process)
        }
        return false
    }

    private func handle(_ event: EventQueue.Event, of process: Int) -> Bool {
        switch event.kind {
        case .heartbeat:
            heartbeat(of: process)
            return now > faultsEnd && isInOrder
        case .step: step(process, work: Int(event.first))
        case .call: call(process, work: Int(event.first))
        case .callLeaves: callLeaves(process, work: Int(event.first), export: Int(event.second))
        case .callAnswered: callAnswered(process, work: Int(event.first))
        case .answered: answered(Int(event.first))
        case .timedOut: timedOut(Int(event.first))
        default: break
        }
        return false
    }

    /// Whether all leases are held by running replicas that know it, evenly, and all exports are finished.
    private var isInOrder: Bool {
        guard toCreate == 0, table.exports.allSatisfy({ $0.phase == .settled }) else { return false }
        var held = 0
        var (least, most) = (Int.max, 0)
        for process in processes {
            guard process.isRunning, process.replica != 0, table.isLive(process.replica, at: storageNow) else {
                return false
            }
            for lease in process.keeper.held {
                let known = table.leases[Names.number(of: lease.name)]
                guard known.holder == process.replica, known.epoch == lease.epoch else { return false }
            }
            held += process.keeper.held.count
            (least, most) = (min(least, process.keeper.held.count), max(most, process.keeper.held.count))
        }
        return held == names.count && most - least <= 1
    }
}

/// The names of leases and replicas, made once.
enum Names {
    static let leases = ["a", "b", "c", "d"]
    static let sets: [Set<String>] = (0...4).map { Set(leases[..<$0]) }
    private static let replicas = (0..<1000).map { "r\(1000 + $0)" }

    /// In the order of the numbers.
    static func replica(_ number: Int) -> String { replicas[number] }

    static func number(of lease: String) -> Int { Int(lease.utf8.first ?? 0) - 97 }
}
