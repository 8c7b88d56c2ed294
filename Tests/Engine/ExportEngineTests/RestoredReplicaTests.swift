@testable import ExportEngine
import ExportLedger
import Exports
import TestSupport
import Testing

/// A replica is started as one of a restored ledger while others work on it, as an autoscaler does whose replicas all have the flag.
@Suite(.timeLimit(.minutes(5))) struct RestoredReplicaTests {
    @Test func whatAnotherReplicaTracksGoesOn() async throws {
        let bench = try await ReplicaBench { $0.sweepInterval = .milliseconds(100) }
        let (one, other) = (try await bench.replica(), try await bench.replica())
        try await bench.running([one, other]) {
            try await eventually { one.holdsAll || other.holdsAll }
            let (holder, idle) = one.holdsAll ? (one, other) : (other, one)
            let id = try await holder.create()
            try await holder.until(id, .running)
            #expect(try await idle.engine.holdRestored() == 0)
            #expect(try await idle.record(id)?.isOfBackup == true)
            bench.provider.set { $0.onObserve = { _ in .success(Observation(.succeeded, upstreamStatus: "Done")) } }
            try await idle.until(id, .succeeded)
            #expect(bench.provider.count(.submit) == 1)
        }
    }
}
