import Exports
import GRDB
import TestLedger
import TestSupport
import Testing

@testable import ExportLedger

/// What purging costs in SQLite, and what it gives back.
@Suite struct RetentionTests {
    /// However many exports are stored, each statement reads entries of one index.
    @Test(arguments: [
        (SQLiteLedger.selectEnded, "INDEX export_ended"), (SQLiteLedger.countRetained, "INDEX export_retained"),
        (SQLiteLedger.putChangesAside, "INDEX export_retained"),
        (SQLiteLedger.deleteTombstones, "INDEX export_tombstone_by_time"),
        (SQLitePurge.isBeingDelivered, "INDEX delivery_under_way"),
        (SQLitePurge.isPending, "INDEX webhook_message_pending"),
        (SQLitePurge.isClaimed, "INDEX idempotency_by_age"), (SQLitePurge.unreadChanges, "INTEGER PRIMARY KEY"),
        (SQLiteLedger.selectLastOld, "INTEGER PRIMARY KEY"),
    ])
    func rowsAreFoundByTheirIndexes(_ statement: String, _ index: String) async throws {
        let ledger = try SQLiteLedger.temporary()
        let steps = try await plan(of: statement, in: ledger)
        #expect(steps.contains { $0.contains(index) }, "\(steps)")
        let large = ["export", "delivery", "webhook_message", "idempotency", "export_tombstone"]
        let scans = steps.filter { step in large.contains { step.hasPrefix("SCAN \($0)") && !step.contains("INDEX") } }
        #expect(scans.allSatisfy { $0.hasPrefix("SCAN export_event") }, "\(steps)")
    }

    @Test(arguments: SQLitePurge.deletions) func whatBelongsToAnExportIsFoundByItsId(_ statement: String) async throws {
        let steps = try await plan(of: statement, in: try SQLiteLedger.temporary())
        #expect(steps.allSatisfy { !$0.hasPrefix("SCAN") }, "\(steps)")
    }

    private func plan(of statement: String, in ledger: SQLiteLedger) async throws -> [String] {
        try await ledger.database.read { database in
            let explained = try database.makeStatement(sql: "EXPLAIN QUERY PLAN \(statement)")
            let numbered = (1...9).last { statement.contains("?\($0)") } ?? 0
            let count = numbered > 0 ? numbered : statement.count { $0 == "?" }
            let values = Array(repeating: DatabaseValue.null, count: count)
            return try Row.fetchAll(explained, arguments: StatementArguments(values)).map { $0[3] as String }
        }
    }

    private func ended(_ number: Int) -> LedgerRecord {
        var record = Fixture.record(at: Fixture.epoch + .seconds(Int64(number)))
        record.phase = .settled
        record.export.status = .failed
        record.export.completedAt = Fixture.epoch + .seconds(Int64(number))
        record.export.tracking = nil
        return record
    }

    private func purge(_ ledger: SQLiteLedger, limit: Int = 100) async throws -> PurgePage {
        let late = Fixture.epoch + .seconds(1_000_000)
        let failed = EndedExports(provider: ProviderID("power-bi"), status: .failed, before: late)
        return try await ledger.purge(failed, at: late, claimsSince: late, after: nil, limit: limit)
    }

    @Test func anExportWithManyDeliveriesEndsItsBatch() async throws {
        let ledger = try SQLiteLedger.temporary()
        let records = (0..<4).map { ended($0) }
        for record in records { _ = try await ledger.insert(record) }
        for number in [1, 2] {
            try await addDeliveries(PurgeLimits.deliveries, of: records[number].export.id, to: ledger)
        }
        var batches: [[ExportID]] = []
        while batches.flatMap(\.self).count < 4, batches.count < 9 {
            batches.append(try await purge(ledger).purged.map(\.id))
        }
        let ids = records.map(\.export.id)
        #expect(
            batches == [[ids[0], ids[1]], [ids[2], ids[3]]] || batches == [[ids[0], ids[1]], [ids[2]], [ids[3]]]
        )
        let left = try await ledger.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM delivery") }
        #expect(left == 0)
    }

    private func addDeliveries(_ count: Int, of id: ExportID, to ledger: SQLiteLedger) async throws {
        _ = try await ledger.insert(Fixture.delivery(of: id)) { _ in }
        try await ledger.database.write { database in
            let columns = Delivery.columns.map { $0 == "id" ? "id || '-' || number" : $0 }.joined(separator: ", ")
            try database.execute(
                sql: """
                    WITH RECURSIVE numbers (number) AS (VALUES (1) UNION ALL SELECT number + 1 FROM numbers WHERE number < ?)
                    INSERT INTO delivery (\(Delivery.names)) SELECT \(columns) FROM numbers, delivery WHERE export_id = ?
                    """,
                arguments: [count, id.description]
            )
        }
    }

    @Test func theChangesOfARetainedExportArePutAside() async throws {
        let ledger = try SQLiteLedger.temporary()
        let (kept, other) = (ended(0), ended(1))
        for record in [kept, other] { _ = try await ledger.insert(record) }
        _ = try await ledger.update(kept.export.id, fence: nil) { record in
            record.export.retainedAt = Fixture.epoch
            record.export.revision += 1
        }
        func aside() async throws -> [String] {
            try await ledger.database.read {
                try String.fetchAll($0, sql: "SELECT export_id FROM export_event_retained ORDER BY sequence")
            }
        }
        let late = Fixture.epoch + .seconds(100)
        #expect(try await ledger.pruneChanges(before: late, limit: 100) == 3)
        #expect(try await aside() == [kept, kept].map(\.export.id.description))
        #expect(try await ledger.eventRange() == ChangeRange(first: nil, last: 3))
        _ = try await ledger.update(kept.export.id, fence: nil) { $0.export.retainedAt = nil }
        #expect(try await aside().count == 2)
        #expect(try await purge(ledger).purged.count == 2)
        #expect(try await aside().isEmpty)
    }

    @Test func anUnreadableExportIsKept() async throws {
        let ledger = try SQLiteLedger.temporary()
        let record = ended(0)
        _ = try await ledger.insert(record)
        try await ledger.database.write { try $0.execute(sql: "UPDATE export SET files = '?'") }
        #expect(try await purge(ledger).kept == [.unreadable: 1])
        let left = try await ledger.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM export") }
        #expect(left == 1)
    }

    @Test func pagesAreGivenBackOnlyWhereTheFileIsMadeForIt() async throws {
        for isReclaimable in [false, true] {
            let directory = try TemporaryDirectory()
            let ledger = try SQLiteLedger(path: directory.file("ledger.sqlite"), isReclaimable: isReclaimable)
            try await ledger.database.writeWithoutTransaction { database in
                try database.execute(sql: "CREATE TABLE ballast (text TEXT)")
                try database.execute(
                    sql: """
                        WITH RECURSIVE numbers (number) AS (VALUES (1) UNION ALL SELECT number + 1 FROM numbers LIMIT 2000)
                        INSERT INTO ballast SELECT hex(randomblob(2000)) FROM numbers
                        """
                )
                try database.execute(sql: "DROP TABLE ballast")
            }
            let before = try await ledger.usage()
            var given = 0
            while case let count = try await ledger.reclaim(limit: 100), count > 0 {
                #expect(count <= 100)
                given += count
            }
            let after = try await ledger.usage()
            #expect((given > 0) == isReclaimable)
            // Pages of the pointer map go with those that they describe, one for 819 (https://www.sqlite.org/fileformat2.html).
            let released = ((before["file"] ?? 0) - (after["file"] ?? 0)) / 4096
            #expect((Int64(given)...Int64(given + given / 819 + 1)).contains(released))
            // Some are kept for what comes next.
            #expect((after["free"] ?? 0) >= 1_000 * 4096)
            ledger.close()
        }
    }

    @Test func aKeyOfAPurgedExportOutlivesTheNextMigration() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("ledger.sqlite")
        let key = Idempotency(key: "k", fingerprint: "f")
        do {
            let ledger = try SQLiteLedger(path: path)
            _ = try await ledger.insert(ended(0), idempotency: key, claimsSince: Fixture.epoch)
            #expect(try await purge(ledger).purged.count == 1)
            ledger.close()
        }
        let queue = try DatabaseQueue(path: path)
        // As before a migration that comes next.
        try await queue.write { try $0.execute(sql: "DELETE FROM grdb_migrations WHERE identifier LIKE '18 %'") }
        try await queue.write { database in
            let orphans = try Int.fetchOne(database, sql: "SELECT count(*) FROM idempotency")
            #expect(orphans == 1)
            try SQLiteLedger.removeOrphans(database)
            #expect(try Int.fetchOne(database, sql: "SELECT count(*) FROM idempotency") == 1)
        }
        try queue.close()
    }
}
