import ExportLedger
import Exports
import PostgreSQL
import Synchronization
import TestPostgreSQL
import Testing

@testable import LedgerConformance
@testable import PostgreSQLLedger

/// A connection that is lost at a commit.
@Suite struct LostCommitTests {
    private func withLedger(
        _ writing: GroupWriter.Limits = GroupWriter.Limits(),
        _ body: (PostgreSQLLedger, CuttingProxy) async throws -> Void
    ) async throws {
        let ledgers = try await TestLedgers.shared()
        let proxy = try CuttingProxy(to: ledgers.server.port)
        let ledger = try await ledgers.open(ledgers.database(), port: proxy.port, writing: writing)
        try await body(ledger, proxy)
        await ledgers.close()
    }

    private func revisions(in ledger: PostgreSQLLedger) async throws -> [Int64] {
        try await ledger.events(after: 0, limit: 100)
            .compactMap { if case .change(let event) = $0 { event.revision } else { nil } }
    }

    @Test(arguments: [0, 1]) func whatIsStoredAlthoughItsAnswerIsLostIsReportedAsStored(answers: Int) async throws {
        try await withLedger { ledger, proxy in
            _ = try await ledger.add(Sample.record())
            let (record, key) = (Sample.record(1), Idempotency(key: "k", fingerprint: "f"))
            // The first answer is that of the statements that read.
            proxy.cut(.answer(after: answers))
            #expect(try await ledger.add(record, key) == .created(record))
            #expect(try await ledger.add(Sample.record(2), key) == .replayed(record))
            #expect(try await ledger.all().count == 2)
            #expect(try await revisions(in: ledger) == [1, 1])
        }
    }

    @Test(arguments: [CuttingProxy.Cut.request, .answer(after: 0)]) func aChangeIsMadeOnce(cut: CuttingProxy.Cut)
        async throws
    {
        try await withLedger { ledger, proxy in
            let id = try await ledger.id(of: Sample.record())
            let isCut = Flag()
            let outcomes = try await withThrowingTaskGroup(of: UpdateOutcome.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        try await ledger.update(id, fence: nil) { record in
                            record.export.revision += 1
                            // Between the statements that read and the commit.
                            if number == 7, isCut.set() { proxy.cut(cut) }
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.allSatisfy { if case .written = $0 { true } else { false } })
            #expect(try await ledger.record(id)?.export.revision == 21)
            #expect(try await revisions(in: ledger) == Array(1...21))
        }
    }

    @Test func whatCannotBeDeterminedEndsTheRegistration() async throws {
        var limits = GroupWriter.Limits()
        (limits.determination, limits.patience) = (.milliseconds(1), .milliseconds(500))
        try await withLedger(limits) { ledger, proxy in
            let id = try await ledger.id(of: Sample.record())
            let view = try await ledger.join()
            await #expect(throws: LedgerError.self) {
                _ = try await ledger.update(id, fence: nil) { record in
                    record.export.revision += 1
                    proxy.refuse(true)
                    proxy.cut(.answer(after: 0))
                }
            }
            proxy.refuse(false)
            #expect(try await ledger.renew() == nil)
            #expect(try await ledger.record(id)?.export.revision == 2)
            let again = try await ledger.join()
            #expect(again.replicas == [again.id] && again.id != view.id)
            // The change is told, because it may be unknown to those who wait for changes of others.
            let changes = try await ledger.nextChanges(after: 1, limit: 9, patience: .seconds(10))
            #expect(changes.events.count == 1)
        }
    }
}

private final class Flag: Sendable {
    private let isSet = Atomic(false)

    /// Whether it was not set before.
    func set() -> Bool { !isSet.exchange(true, ordering: .relaxed) }
}
