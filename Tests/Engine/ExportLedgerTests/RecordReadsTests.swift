import Dispatch
import Exports
import GRDB
import Synchronization
import Testing
import TestLedger
import TestSupport

@testable import ExportLedger

/// Records that are asked for at the same time.
@Suite struct RecordReadsTests {
    /// A ledger whose database waits until `open` is called, so that what is asked for meanwhile is read together.
    private final class Gate: Sendable {
        let ledger: SQLiteLedger
        let transactions = Atomic(0)
        let told = Events<(id: ExportID, result: Result<LedgerRecord?, any Error>)>()
        private let gate = DispatchSemaphore(value: 0)
        private static let readers = Configuration().maximumReaderCount

        init(_ ledger: SQLiteLedger? = nil) throws { self.ledger = try ledger ?? .temporary() }

        /// Takes all connections that read.
        func hold() async {
            let held = Events<Void>()
            for _ in 0..<Self.readers {
                ledger.database.asyncRead { [self] database in
                    try? database.get()
                        .trace { [self] event in
                            if "\(event)".hasPrefix("BEGIN") { transactions.add(1, ordering: .relaxed) }
                        }
                    held.add(())
                    gate.wait()
                }
            }
            await held.reach(Self.readers)
        }

        func open() { for _ in 0..<Self.readers { gate.signal() } }

        func ask(_ id: ExportID) {
            ledger.record(id) { result in self.told.add((id, result)) }
        }

        func answers(_ count: Int) async -> [ExportID: Result<LedgerRecord?, any Error>] {
            await told.reach(count)
            return Dictionary(uniqueKeysWithValues: told.all.map { ($0.id, $0.result) })
        }
    }

    @Test func thoseThatAreAskedForTogetherShareTransactions() async throws {
        let gate = try Gate()
        let records = (0..<200).map { Fixture.record(at: Fixture.epoch + .seconds($0)) }
        for record in records { _ = try await gate.ledger.insert(record) }
        let unknown = Fixture.id()
        await gate.hold()
        for record in records { gate.ask(record.export.id) }
        gate.ask(unknown)
        #expect(gate.told.all.isEmpty)
        gate.open()
        let answers = await gate.answers(201)
        for record in records { #expect(try answers[record.export.id]?.get() == record) }
        #expect(try answers[unknown]?.get() == .some(nil))
        // 16 at most in each: those that come first may have fewer.
        #expect((13...16).contains(gate.transactions.load(ordering: .relaxed)))
        // What comes when all have been answered is read too.
        let last = Fixture.id()
        gate.ask(last)
        #expect(try await gate.answers(202)[last]?.get() == .some(nil))
    }

    @Test func oneThatCannotBeReadCostsNoOther() async throws {
        let gate = try Gate()
        let records = (0..<3).map { Fixture.record(at: Fixture.epoch + .seconds($0)) }
        for record in records { _ = try await gate.ledger.insert(record) }
        let bad = records[1].export.id
        try await gate.ledger.database.write {
            try $0.execute(sql: "UPDATE export SET status = 'bad' WHERE id = ?", arguments: [bad.description])
        }
        await gate.hold()
        for record in records { gate.ask(record.export.id) }
        gate.open()
        let answers = await gate.answers(3)
        #expect(throws: LedgerError.self) { try answers[bad]?.get() }
        for record in [records[0], records[2]] { #expect(try answers[record.export.id]?.get() == record) }
        #expect(gate.ledger.unreadable.exports == [bad.description])
    }

    @Test func aClosedLedgerAnswersEveryone() async throws {
        let directory = try TemporaryDirectory()
        let gate = try Gate(SQLiteLedger(path: directory.file("ledger.sqlite")))
        gate.ledger.close()
        for second in 0..<3 { gate.ask(Fixture.id(at: Fixture.epoch + .seconds(second))) }
        for answer in await gate.answers(3).values { #expect(throws: LedgerError.self) { try answer.get() } }
    }
}
