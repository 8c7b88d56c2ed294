@testable import ExportEngine
import ExportLedger
import Exports
import Synchronization
import TestSupport
import Testing

/// Several engines on one database: each answers, one of them works.
@Suite(.timeLimit(.minutes(5))) struct ReplicaTests {
    @Test func whatOneAcceptsTheHolderOfTheLeaseStarts() async throws {
        let bench = try await ReplicaBench()
        let (one, other) = (try await bench.replica(), try await bench.replica())
        try await bench.running([one, other]) {
            try await eventually { one.holdsAll || other.holdsAll }
            let idle = one.holdsAll ? other : one
            let id = try await idle.create()
            // A caller of the replica that does no work is woken.
            try await idle.until(id, .running)
            #expect(bench.provider.count(.submit) == 1)
            bench.provider.set { $0.onObserve = { _ in .success(Observation(.succeeded, upstreamStatus: "Done")) } }
            try await idle.until(id, .succeeded)
        }
    }

    @Test func aCancellationReachesTheHolder() async throws {
        let bench = try await ReplicaBench()
        let (one, other) = (try await bench.replica(), try await bench.replica())
        try await bench.running([one, other]) {
            try await eventually { one.holdsAll || other.holdsAll }
            let (holder, idle) = one.holdsAll ? (one, other) : (other, one)
            let id = try await holder.create()
            try await idle.until(id, .running)
            _ = try await idle.engine.cancel(id, for: .owner())
            await bench.provider.made(.cancel, atLeast: 1)
            bench.provider.set { $0.onObserve = { _ in .success(Observation(.canceled, upstreamStatus: "Canceled")) } }
            try await idle.until(id, .canceled)
        }
    }

    @Test func aRefreshIsMadeByTheHolder() async throws {
        let bench = try await ReplicaBench { $0.maximumPollInterval = .seconds(60) }
        let (one, other) = (try await bench.replica(), try await bench.replica())
        try await bench.running([one, other]) {
            try await eventually { one.holdsAll || other.holdsAll }
            let idle = one.holdsAll ? other : one
            let id = try await idle.create()
            try await idle.until(id, .running)
            let calls = bench.provider.count(.observe)
            try await eventually {
                let export = try await idle.engine.export(id, for: .owner(), refresh: true)
                return !export.stale && bench.provider.count(.observe) > calls
            }
        }
    }

    /// What an operator decides on one replica is carried out by the other one.
    @Test func aDecisionReachesTheHolder() async throws {
        let bench = try await ReplicaBench()
        bench.provider.set { $0.onSubmit = { $0 == 1 ? ProviderError(.ambiguous, "No answer.") : nil } }
        bench.provider.set { $0.onReconcile = { _ in .success(nil) } }
        let (one, other) = (try await bench.replica(), try await bench.replica())
        try await bench.running([one, other]) {
            try await eventually { one.holdsAll || other.holdsAll }
            let idle = one.holdsAll ? other : one
            let id = try await idle.create()
            try await idle.until(id, .unknown)
            _ = try await idle.engine.resolve(id, for: .auditor(), as: .notStarted, revision: nil)
            try await idle.until(id, .running)
            #expect(bench.provider.count(.submit) == 2)
        }
    }

    /// Also about an export that the holder has let go of.
    @Test func aDecisionAboutASettledExportIsCarriedOut() async throws {
        let bench = try await ReplicaBench { $0.reconcileDeadline = .milliseconds(1) }
        bench.provider.set { $0.onSubmit = { $0 == 1 ? ProviderError(.ambiguous, "No answer.") : nil } }
        bench.provider.set { $0.onReconcile = { _ in .success(nil) } }
        let (one, other) = (try await bench.replica(), try await bench.replica())
        try await bench.running([one, other]) {
            try await eventually { one.holdsAll || other.holdsAll }
            let (holder, idle) = one.holdsAll ? (one, other) : (other, one)
            let id = try await holder.create()
            try await eventually { try await idle.record(id)?.phase == .settled }
            try await eventually { holder.engine.workers.values.allSatisfy { !$0.has(id) } }
            _ = try await idle.engine.resolve(id, for: .auditor(), as: .notStarted, revision: nil)
            try await idle.until(id, .running)
            #expect(bench.provider.count(.submit) == 2)
        }
    }

    @Test func leasesSpreadAndComeBack() async throws {
        let names = (1...6).map { "connection-\($0)" }
        let bench = try await ReplicaBench(connections: names)
        let (one, other) = (try await bench.replica(), try await bench.replica())
        try await bench.running([one]) {
            try await eventually { one.holdsAll }
            let ids = try await names.asyncMap { try await one.create(on: $0) }
            for id in ids { try await one.until(id, .running) }
            try await bench.running([other]) {
                try await eventually { one.heldCount == 3 && other.heldCount == 3 }
            }
            // It has handed over what it held.
            try await eventually { one.holdsAll }
            bench.provider.set { $0.onObserve = { _ in .success(Observation(.failed, upstreamStatus: "Failed")) } }
            for id in ids { try await one.until(id, .failed) }
            #expect(bench.provider.count(.submit) == names.count)
        }
    }

    /// A replica whose registration has expired, as if it had been stopped for long, loses everything, and its writes change nothing.
    @Test func anExpiredReplicaIsReplacedAndJoinsAgain() async throws {
        let bench = try await ReplicaBench()
        let gate = Gate()
        let (one, other) = (try await bench.replica(), try await bench.replica())
        try await bench.running([one, other]) {
            try await eventually { one.holdsAll || other.holdsAll }
            let (holder, idle) = one.holdsAll ? (one, other) : (other, one)
            // The holder's call hangs meanwhile.
            bench.provider.set { $0.gates[.submit] = gate }
            bench.provider.set { $0.answersAllTheSame = true }
            let id = try await holder.create()
            await bench.provider.made(.submit, atLeast: 1)
            let former = try #require(holder.engine.ownership.own)
            let before = try #require(try await holder.record(id))
            try bench.execute(
                "UPDATE replica SET expires_at = clock_timestamp() - interval '1 s' WHERE id = '\(former)'"
            )
            // The other one reads that at its next renewal.
            idle.engine.replica?.news.fire()
            try await eventually { try await idle.record(id)?.fence != before.fence }
            gate.open()
            try await eventually { holder.engine.ownership.own != former }
            // The start is looked for, and not repeated.
            try await idle.until(id, .running)
            #expect(bench.provider.count(.submit) == 1)
            let record = try #require(try await idle.record(id))
            #expect(record.fence > before.fence)
            #expect(record.leaseOwner != before.leaseOwner)
        }
    }

    @Test func otherSecretsStopTheStart() async throws {
        let bench = try await ReplicaBench()
        let one = try await bench.replica(secrets: ["server.cursorKey": "a", "sealing.keys.x": "b"])
        try await bench.running([one]) {
            do {
                _ = try await bench.replica(secrets: ["server.cursorKey": "c"])
                Issue.record("a replica with another key has joined")
            } catch let error as StartupError {
                #expect(error.key == "server.cursorKey")
            }
        }
    }
}

extension Sequence {
    fileprivate func asyncMap<T>(_ body: (Element) async throws -> T) async rethrows -> [T] {
        var values: [T] = []
        for element in self { values.append(try await body(element)) }
        return values
    }
}
