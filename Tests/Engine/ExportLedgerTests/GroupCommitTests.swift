import Dispatch
import Exports
import Foundation
import GRDB
import Metrics
import MetricsTestKit
import Synchronization
import Testing
import TestLedger
import TestSupport

@testable import ExportLedger

/// Writes that are committed together.
@Suite struct GroupCommitTests {
    private struct Failure: Error {}

    /// A committer whose first group waits until `open` is called, so that what comes meanwhile is one group.
    private final class Gate: Sendable {
        let queue: DatabasePool
        private let directory: TemporaryDirectory
        let committer: GroupCommitter
        let metrics = TestMetrics()
        let order = Mutex<[Int]>([])
        private let gate = DispatchSemaphore(value: 0)

        init(_ limits: GroupCommitter.Limits = GroupCommitter.Limits()) throws {
            directory = try TemporaryDirectory()
            queue = try DatabasePool(path: directory.file("committer.sqlite"))
            try queue.write {
                try $0.execute(
                    sql: """
                        CREATE TABLE parent (id INTEGER PRIMARY KEY);
                        CREATE TABLE child (id INTEGER REFERENCES parent (id));
                        """
                )
            }
            committer = GroupCommitter(queue, limits: limits, metrics: metrics)
        }

        func hold() { queue.asyncWriteWithoutTransaction { [gate] _ in gate.wait() } }
        func open() { gate.signal() }

        func add(
            _ number: Int,
            _ kind: GroupCommitter.Kind = .change,
            then: @escaping @Sendable (Database) throws -> Void = { _ in }
        ) async throws {
            try await committer.commit(kind) { database in
                self.order.withLock { $0.append(number) }
                try database.execute(sql: "INSERT INTO parent VALUES (?)", arguments: [number])
                try then(database)
            }
        }

        /// Returns when so many wait.
        func waiting(_ count: Int) async throws { try await eventually { committer.waiting == count } }

        func stored() async throws -> Set<Int> {
            try await queue.read { Set(try Int.fetchAll($0, sql: "SELECT id FROM parent")) }
        }

        var sizes: [Double] {
            (try? metrics.expectRecorder("export_gateway_ledger_commit_writes", []).values) ?? []
        }
    }

    /// Starts writes one after the other behind a held gate, and gives back what became of each.
    private func outcomes(
        of writes: [@Sendable () async throws -> Void],
        behind gate: Gate
    ) async throws -> [(any Error)?] {
        gate.hold()
        var tasks: [Task<Void, any Error>] = []
        for (index, write) in writes.enumerated() {
            tasks.append(Task { try await write() })
            try await gate.waiting(index + 1)
        }
        gate.open()
        var outcomes: [(any Error)?] = []
        for task in tasks {
            switch await task.result {
            case .success: outcomes.append(nil)
            case .failure(let error): outcomes.append(error)
            }
        }
        return outcomes
    }

    @Test func whatWaitsIsCommittedTogether() async throws {
        let gate = try Gate()
        let outcomes = try await outcomes(of: (0..<20).map { number in { try await gate.add(number) } }, behind: gate)
        #expect(outcomes.allSatisfy { $0 == nil })
        #expect(try await gate.stored() == Set(0..<20))
        #expect(gate.sizes == [20])
        #expect(try gate.metrics.expectTimer("export_gateway_ledger_commit_duration_seconds", []).values.count == 1)
    }

    @Test func aWriteThatFailsIsUndoneAlone() async throws {
        let gate = try Gate()
        let outcomes = try await outcomes(
            of: [
                { try await gate.add(1) }, { try await gate.add(2) { _ in throw Failure() } },
                { try await gate.add(3) }, { try await gate.add(3) },
            ],
            behind: gate
        )
        #expect(outcomes[0] == nil && outcomes[2] == nil)
        #expect(outcomes[1] is Failure)
        #expect((outcomes[3] as? DatabaseError)?.resultCode == .SQLITE_CONSTRAINT)
        #expect(try await gate.stored() == [1, 3])
        // Alone in its group, it is undone all the same.
        await #expect(throws: Failure.self) { try await gate.add(4) { _ in throw Failure() } }
        #expect(try await gate.stored() == [1, 3])
    }

    @Test func creationsComeFirstAndLeaveCapacity() async throws {
        let gate = try Gate(GroupCommitter.Limits(group: 4))
        let creations = (0..<5).map { number in { @Sendable in try await gate.add(number, .creation) } }
        let changes = (10..<12).map { number in { @Sendable in try await gate.add(number) } }
        _ = try await outcomes(of: changes + creations, behind: gate)
        #expect(gate.order.withLock { $0 } == [0, 1, 2, 10, 3, 4, 11])
        #expect(gate.sizes == [4, 3])
    }

    @Test func aCommitThatFailsChangesNothing() async throws {
        let gate = try Gate()
        // The rule is looked at when the group is committed.
        let breaksTheRule: @Sendable (Database) throws -> Void = {
            try $0.execute(sql: "PRAGMA defer_foreign_keys = ON; INSERT INTO child VALUES (99)")
        }
        let outcomes = try await outcomes(
            of: [{ try await gate.add(1) }, { try await gate.add(2, then: breaksTheRule) }],
            behind: gate
        )
        #expect(outcomes.allSatisfy { ($0 as? DatabaseError)?.resultCode == .SQLITE_CONSTRAINT })
        #expect(try await gate.stored() == [])
        try await gate.add(3)
        #expect(try await gate.stored() == [3])
    }

    /// As SQLite ends a transaction when the disk is full in the middle of it.
    @Test func aTransactionThatEndsEarlyTakesOnlyWhatHadBegun() async throws {
        let gate = try Gate()
        let outcomes = try await outcomes(
            of: [
                { try await gate.add(1) },
                {
                    try await gate.add(2) { database in
                        try database.execute(sql: "ROLLBACK")
                        throw Failure()
                    }
                },
                { try await gate.add(3) },
            ],
            behind: gate
        )
        #expect(outcomes[0] is Failure && outcomes[1] is Failure)
        #expect(outcomes[2] == nil)
        #expect(try await gate.stored() == [3])
    }

    @Test func whoIsCancelledBeforeItsTurnChangesNothing() async throws {
        let gate = try Gate()
        gate.hold()
        let first = Task { try await gate.add(1) }
        let second = Task { try await gate.add(2) }
        try await gate.waiting(2)
        second.cancel()
        await #expect(throws: CancellationError.self) { try await second.value }
        gate.open()
        try await first.value
        #expect(try await gate.stored() == [1])
        let third = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await gate.add(3)
        }
        await #expect(throws: CancellationError.self) { try await third.value }
        #expect(try await gate.stored() == [1])
    }

    @Test func aCreationIsCarriedOutInACancelledTask() async throws {
        let gate = try Gate()
        gate.hold()
        let waits = Task { try await gate.add(1, .creation) }
        try await gate.waiting(1)
        waits.cancel()
        let cancelled = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await gate.add(2, .creation)
        }
        try await gate.waiting(2)
        gate.open()
        try await waits.value
        try await cancelled.value
        #expect(try await gate.stored() == [1, 2])
    }

    @Test func whatHasBegunIsCarriedOut() async throws {
        let gate = try Gate()
        let (begun, goOn) = (AsyncStream.makeStream(of: Void.self), DispatchSemaphore(value: 0))
        let write = Task {
            try await gate.add(1) { _ in
                begun.continuation.yield()
                goOn.wait()
            }
        }
        for await _ in begun.stream { break }
        write.cancel()
        goOn.signal()
        try await write.value
        #expect(try await gate.stored() == [1])
    }

    @Test func aFullQueueRefuses() async throws {
        let gate = try Gate(GroupCommitter.Limits(group: 2, queue: 3))
        let outcomes = try await outcomes(
            of: (0..<3).map { number in { try await gate.add(number) } },
            behind: gate
        )
        #expect(outcomes.allSatisfy { $0 == nil })
        gate.hold()
        let waiting = (10..<13).map { number in Task { try await gate.add(number) } }
        try await gate.waiting(3)
        let error = await #expect(throws: LedgerError.self) { try await gate.add(20) }
        #expect(error?.code == .unavailable)
        gate.open()
        for task in waiting { try await task.value }
        #expect(try await gate.stored() == [0, 1, 2, 10, 11, 12])
    }

    @Test func afterTheEndEverythingIsRefused() async throws {
        let gate = try Gate()
        gate.hold()
        let waiting = Task { try await gate.add(1) }
        try await gate.waiting(1)
        gate.committer.close()
        await #expect(throws: LedgerError.self) { try await waiting.value }
        gate.open()
        await #expect(throws: LedgerError.self) { try await gate.add(2) }
        #expect(try await gate.stored() == [])
    }

    /// A ledger closes with its last reference, and cannot close on the queue that it writes on.
    @Test func aWriteMayHoldTheLastReferenceToTheLedger() async throws {
        for _ in 0..<100 {
            let ledger = try SQLiteLedger.temporary()
            let writes = (0..<20)
                .map { _ in
                    Task { try await ledger.update(Fixture.id(), fence: nil) { _ in withExtendedLifetime(ledger) {} } }
                }
            for write in writes { #expect(try await write.value == .notFound) }
        }
    }

    /// What changes nothing costs the disk nothing.
    @Test func nothingChangedIsNothingWritten() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("ledger.sqlite")
        let ledger = try SQLiteLedger(path: path)
        let record = Fixture.record()
        _ = try await ledger.insert(record)
        func log() throws -> Data { try Data(contentsOf: URL(filePath: path + "-wal")) }
        let before = try log()
        #expect(try await ledger.update(Fixture.id(), fence: nil) { $0.fence += 1 } == .notFound)
        #expect(try await ledger.update(record.export.id, fence: 7) { $0.fence += 1 } == .stale)
        #expect(try log() == before)
    }
}
