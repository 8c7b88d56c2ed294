import Foundation
import TestSupport
import Testing

@Suite("Leases in simulation")
struct LeaseSimulationTests {
    /// What a number of schedules found.
    struct Result: Sendable {
        var violations = LeaseWitness.Violations()
        var counts = SimulationCounts()
        /// The seeds of the first schedules that found something.
        var failing: [UInt64] = []
    }

    @Test("Stale writes are never accepted")
    func fenced() async {
        if let seed = ProcessInfo.processInfo.environment["EXPORT_GATEWAY_SEED"].flatMap({ UInt64($0) }) {
            let schedule = LeaseSchedule(seed: seed)
            #expect(schedule.run() == LeaseWitness.Violations(), "\(schedule.description)")
            return
        }
        let schedules =
            ProcessInfo.processInfo.environment["EXPORT_GATEWAY_LEASE_SCHEDULES"].flatMap { Int($0) } ?? 5_000
        let start = ContinuousClock.now
        let result = await run(schedules)
        print("lease schedules in \(ContinuousClock.now - start): \(result.counts.description)")
        #expect(result.violations == LeaseWitness.Violations(), "EXPORT_GATEWAY_SEED=\(result.failing)")
        // The faults were there, and led to what they are for.
        let counts = result.counts
        #expect(counts.pausesBeyondLease > schedules / 10 && counts.cuts > schedules / 10)
        #expect(counts.appliedLate > schedules / 10 && counts.reordered > schedules / 10)
        #expect(counts.refusedWrites > schedules / 20 && counts.handOvers > schedules / 4)
    }

    @Test("Without the comparison with fence and lease, stale writes are accepted, and settled exports change")
    func withoutFencing() {
        expect("no comparison", LeaseSchedule.Options(fencing: .none)) { $0.staleWrites > 0 }
        expect("no comparison", LeaseSchedule.Options(fencing: .none)) { $0.reverted > 0 }
    }

    @Test("Neither the comparison with the fence nor that with the lease is enough")
    func halfOfFencing() {
        expect("the fence alone", LeaseSchedule.Options(fencing: .fenceOnly)) { $0.staleWrites > 0 }
        expect("the lease alone", LeaseSchedule.Options(fencing: .ownerOnly)) { $0.reverted > 0 }
    }

    @Test("A write whose outcome is unknown must not be made again under the same registration")
    func retriedWrite() {
        expect("a retried write", LeaseSchedule.Options(retriesUndetermined: true)) { $0.reverted > 0 }
    }

    @Test("Validity that is counted by the wall clock gives two replicas that begin work for one lease")
    func wallClock() {
        expect("the wall clock", LeaseSchedule.Options(countsByWallClock: true)) {
            $0.twoHolders > 0 && $0.staleWrites == 0
        }
    }

    /// What is wrong is found within 10,000 schedules.
    private func expect(
        _ fault: String,
        _ options: LeaseSchedule.Options,
        _ isFound: (LeaseWitness.Violations) -> Bool
    ) {
        let seed = (1...10_000).first { isFound(LeaseSchedule(seed: UInt64($0), options: options).run()) }
        print("\(fault): found by schedule \(seed.map(String.init) ?? "none")")
        #expect(seed != nil, "\(fault)")
    }

    @Test("A schedule depends on nothing but its seed")
    func deterministic() {
        for seed in 1...20 as ClosedRange<UInt64> {
            let (one, other) = (LeaseSchedule(seed: seed), LeaseSchedule(seed: seed))
            #expect(one.run() == other.run())
            #expect(one.counts.description == other.counts.description)
        }
    }

    /// Runs the schedules of the seeds from 1, half of them in another task.
    private func run(_ schedules: Int) async -> Result {
        await withTaskGroup(of: Result.self) { group in
            let tasks = 2
            for task in 0..<tasks {
                group.addTask {
                    var result = Result()
                    for seed in stride(from: task + 1, through: schedules, by: tasks) {
                        let schedule = LeaseSchedule(seed: UInt64(seed))
                        schedule.counts = result.counts
                        let violations = schedule.run()
                        result.violations += violations
                        result.counts = schedule.counts
                        if violations != LeaseWitness.Violations(), result.failing.count < 5 {
                            result.failing.append(UInt64(seed))
                        }
                    }
                    return result
                }
            }
            return await group.reduce(into: Result()) { sum, next in
                sum.violations += next.violations
                sum.counts += next.counts
                sum.failing = (sum.failing + next.failing).sorted()
            }
        }
    }
}
