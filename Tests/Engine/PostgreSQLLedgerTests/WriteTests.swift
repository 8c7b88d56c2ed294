import ExportLedger
import Exports
import PostgreSQL
import TestPostgreSQL
import Testing

@testable import LedgerConformance
@testable import PostgreSQLLedger

@Suite struct WriteTests {
    /// The lease is compared by the statement that writes, not only before.
    @Test func aRegistrationThatExpiresWhileItWritesChangesNothing() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        let held = try #require(try await ledger.joinAndClaim())
        let settings = try ledgers.database(of: ledger).settings
        let ids = [
            try await ledger.id(of: Sample.tracked(), owner: held.token), try await ledger.id(of: Sample.record(1)),
        ]
        async let fenced = ledger.update(ids[0], fence: 1) { record in
            record.export.revision += 1
            let connection = try? PostgreSQLConnection(settings)
            try? connection?.execute("UPDATE replica SET expires_at = clock_timestamp()")
        }
        async let other = ledger.update(ids[1], fence: nil) { $0.export.revision += 1 }
        #expect(try await fenced == .stale)
        if case .written = try await other {} else { Issue.record("the other write is made") }
        #expect(try await ledger.record(ids[0])?.export.revision == 1)
        #expect(try await ledger.record(ids[1])?.export.revision == 2)
        await ledgers.close()
    }

    @Test func aWriteThatTheDatabaseRefusesFailsAlone() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        let taken = try await ledger.id(of: Sample.record())
        let failures = try await withThrowingTaskGroup(of: Bool.self) { group in
            for second in 0..<40 {
                group.addTask {
                    var record = Sample.record(second)
                    if second % 10 == 3 { record.export.id = taken }
                    if second % 10 == 7 { record.export.name = "a\0b" }
                    do {
                        _ = try await ledger.add(record, Idempotency(key: "\(second)", fingerprint: "f"))
                        return false
                    } catch {
                        return error is LedgerError
                    }
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(failures == 8)
        #expect(try await ledger.all().count == 33)
        for second in 0..<40 {
            let key = Idempotency(key: "\(second)", fingerprint: "f")
            let isClaimed = try await ledger.claimed(key, by: "alice", claimsSince: Sample.since) != nil
            #expect(isClaimed == ![3, 7].contains(second % 10), "a key is claimed with its export, or not at all")
        }
        await ledgers.close()
    }

    @Test func aRowThatStaysLockedFailsOnlyItsOwnWrites() async throws {
        let ledgers = try await TestLedgers.shared()
        let database = try await ledgers.database()
        let ledger = try await ledgers.open(database, lockTimeout: .milliseconds(200))
        let ids = [try await ledger.id(of: Sample.record()), try await ledger.id(of: Sample.record(1))]
        let other = try PostgreSQLConnection(database.settings)
        try other.execute("BEGIN; SELECT 1 FROM export WHERE id = '\(ids[0])' FOR UPDATE")
        let blocked = Task { try await ledger.update(ids[0], fence: nil) { $0.export.revision += 1 } }
        async let free = ledger.update(ids[1], fence: nil) { $0.export.revision += 1 }
        if case .written = try await free {} else { Issue.record("what is not locked is written") }
        await #expect(throws: LedgerError.self) { _ = try await blocked.value }
        try other.execute("COMMIT")
        if case .written = try await ledger.update(ids[0], fence: nil, { $0.export.revision += 1 }) {
        } else {
            Issue.record("it is written when the row is free")
        }
        await ledgers.close()
    }

    @Test func aDatabaseThatCanOnlyBeReadIsTold() async throws {
        let ledgers = try await TestLedgers.shared()
        let first = try await ledgers.make()
        let record = Sample.record()
        _ = try await first.add(record)
        let name = try ledgers.database(of: first).name
        try await first.run("ALTER DATABASE \"\(name)\" SET default_transaction_read_only = on")
        let ledger = try await ledgers.reopened(first)
        #expect(try await ledger.record(record.export.id) == record)
        #expect(try await ledger.impediment() == .readOnly)
        let error = await #expect(throws: LedgerError.self) { _ = try await ledger.add(Sample.record(1)) }
        #expect(error?.impediment == .readOnly)
        await ledgers.close()
    }

    @Test func aRowThatCannotBeReadIsSetAside() async throws {
        let ledgers = try await TestLedgers.shared()
        let ledger = try await ledgers.make()
        let ids = [try await ledger.id(of: Sample.tracked()), try await ledger.id(of: Sample.tracked(1, job: nil))]
        try await ledger.run("UPDATE export SET reference = '?', files = '?' WHERE id = $1", .text(ids[0].description))
        let error = await #expect(throws: LedgerError.self) { _ = try await ledger.record(ids[0]) }
        #expect(error?.isAboutOneExport == true)
        await #expect(throws: LedgerError.self) { _ = try await ledger.update(ids[0], fence: nil) { $0.fence += 1 } }
        let page = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 9)
        #expect(page.exports.map(\.id) == [ids[1]] && page.unreadable == 1)
        let taken = try await ledger.takeOver(by: "other", after: nil, limit: 9) { _ in }
        #expect(taken.items.map(\.before.export.id) == [ids[1]])
        await ledgers.close()
    }
}
