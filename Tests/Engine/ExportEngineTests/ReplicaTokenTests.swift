@testable import ExportEngine
import ExportLedger
import Exports
import Synchronization
import TestSupport
import Testing

/// Exports that need what is in the memory of one replica, and replicas that do not hear of each other.
@Suite(.timeLimit(.minutes(5))) struct ReplicaTokenTests {
    @Test func theReplicaWithTheTokenWorksOnTheExport() async throws {
        let bench = try await ReplicaBench()
        let one = try await bench.replica(delegatedOnly: true)
        let other = try await bench.replica(delegatedOnly: true)
        try await bench.running([one, other]) {
            try await eventually { one.holdsAll || other.holdsAll }
            let idle = one.holdsAll ? other : one
            let id = try await idle.create(.owner("token"))
            try await idle.until(id, .running)
            #expect(try await idle.record(id)?.leaseOwner == idle.engine.ownership.own)
            #expect(bench.provider.state.withLock { $0.tokens }.allSatisfy { $0 == Secret("token") })
        }
    }

    /// The holder of the lease takes the export over, and the export goes on at the replica to which the caller comes.
    @Test func withoutItsReplicaAnExportWaitsForItsCaller() async throws {
        let bench = try await ReplicaBench()
        let one = try await bench.replica(delegatedOnly: true)
        let other = try await bench.replica(delegatedOnly: true)
        try await bench.running([one]) {
            try await eventually { one.holdsAll }
            let id = try await bench.running([other]) {
                let id = try await other.create(.owner("token"))
                try await one.until(id, .running)
                return id
            }
            try await eventually { try await one.record(id)?.progress.awaitsAuthorization == true }
            let third = try await bench.replica(delegatedOnly: true)
            try await bench.running([third]) {
                bench.provider.set {
                    $0.onObserve = { _ in .success(Observation(.failed, upstreamStatus: "Failed")) }
                }
                _ = try await third.engine.export(id, for: .owner("another token"), refresh: false)
                try await one.until(id, .failed)
            }
        }
    }

    /// A replica that may have missed changes reads the ledger and says so, until it has caught up.
    @Test func aLostListenerMakesSnapshotsOld() async throws {
        let bench = try await ReplicaBench()
        let one = try await bench.replica()
        let feed = try #require(one.engine.replica?.feed)
        try await bench.running([one]) {
            try await eventually { feed.isCurrent }
            let id = try await one.create()
            try await one.until(id, .running)
            one.engine.snapshots.setCurrent(false)
            #expect(try await one.engine.export(id, for: .owner(), refresh: false).stale)
            one.engine.snapshots.setCurrent(true)
            #expect(try await !one.engine.export(id, for: .owner(), refresh: false).stale)
            // All listening connections are ended: the replica listens again.
            let before = one.engine.replica?.feed.sequence
            try bench.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            bench.provider.set { $0.onObserve = { _ in .success(Observation(.failed, upstreamStatus: "Failed")) } }
            try await one.until(id, .failed)
            try await eventually { feed.isCurrent && feed.sequence != before }
        }
    }
}
