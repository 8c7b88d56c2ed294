@testable import ExportEngine
import ExportLedger
import Exports
import TestSupport
import Testing

/// What streams of events follow, where several replicas make the changes.
@Suite(.timeLimit(.minutes(5))) struct FollowedChangesTests {
    /// Follows the changes on one replica, as a stream does: woken by news, and by nothing else.
    private func follow(_ replica: TestReplica, until isEnough: ([ExportChange]) -> Bool) async throws -> [ExportChange]
    {
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let observation = replica.engine.onChanges { wake.yield() }
        var changes: [ExportChange] = []
        var position: Int64 = 0
        wake.yield()
        for await _ in wakes {
            let page = try await replica.engine.changes(after: position, limit: 500)
            changes += page.changes
            position = page.through
            if isEnough(changes) { break }
        }
        observation.end()
        return changes
    }

    @Test func everyReplicaIsToldOfEveryChangeInTheSameOrder() async throws {
        let bench = try await ReplicaBench()
        bench.provider.set { $0.onObserve = { _ in .success(Observation(.succeeded, upstreamStatus: "Done")) } }
        let (one, other) = (try await bench.replica(), try await bench.replica())
        try await bench.running([one, other]) {
            try await eventually { one.holdsAll || other.holdsAll }
            let isEnough: @Sendable ([ExportChange]) -> Bool = { changes in
                Set(changes.filter(\.isFinal).map(\.exportID)).count == 4
            }
            var ids: [ExportID] = []
            async let first = follow(one, until: isEnough)
            async let second = follow(other, until: isEnough)
            for replica in [one, other, one, other] {
                ids.append(try await replica.create())
            }
            let (seen, alsoSeen) = try await (first, second)
            let common = min(seen.count, alsoSeen.count)
            #expect(seen.prefix(common) == alsoSeen.prefix(common))
            for id in ids {
                let revisions = seen.filter { $0.exportID == id }.map(\.revision)
                #expect(revisions == Array(1...Int64(revisions.count)))
                // The other replica's change is there, although it may not have come to the snapshots yet.
                for change in seen where change.exportID == id {
                    let export = try #require(try await other.engine.export(after: change))
                    #expect(export.revision >= change.revision)
                }
                #expect(try await one.engine.presentExport(id, for: .owner()).isFinal)
            }
        }
    }
}
