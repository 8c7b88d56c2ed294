import TestLedger
import TestSupport
@testable import ExportLedger
import Exports
import Foundation
import GRDB
import Testing

/// Ledgers that earlier versions wrote.
@Suite struct MigrationTests {
    private static let migrations = [
        "1 exports and idempotency keys", "2 deliveries", "3 exports by creator", "4 refresh tokens",
        "5 every end has a time and a reason", "6 deliveries that begin", "7 unconfirmed starts",
        "8 readings of files",
        "9 files to be measured", "10 exports that may have an unknown job",
        "11 the engine that works on an export", "12 lists by every filter",
        "13 requests, changes and leases", "14 time held back by the request budget", "15 deliveries by ticket",
        "16 webhooks", "17 changes that end exports", "18 retention", "19 audit trail",
    ]

    /// The file as an earlier version left it: `Fixtures/ledger-<number of its last migration>.sql` is its dump.
    private func ledger(of migration: Int = 1, at path: String) throws {
        let dump = try #require(
            Bundle.module.url(forResource: "ledger-\(migration)", withExtension: "sql", subdirectory: "Fixtures")
        )
        let sql = try String(contentsOf: dump, encoding: .utf8)
        var configuration = Configuration()
        // The dump creates and fills its tables in the order of their names.
        configuration.foreignKeysEnabled = false
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
        try queue.close()
    }

    @Test func theFirstVersionsLedgerIsKeptAndTakesDeliveries() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("ledger.sqlite")
        try ledger(at: path)
        let ledger = try SQLiteLedger(path: path)
        let exports = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 9).exports
        #expect(exports.map(\.status) == [.canceled, .succeeded, .succeeded])
        #expect(exports.map(\.revision) == [3, 4, 6])
        #expect(exports.map(\.error?.code) == [.canceled, nil, nil])
        #expect(exports.allSatisfy { $0.completedAt != nil })

        let id = try #require(exports.last?.id)
        let old = try #require(try await ledger.record(id))
        #expect(old.export.name == "Search 0")
        #expect(old.export.files.map(\.size) == [65_536, 7964])
        #expect(old.export.files.map(\.digestSource) == [nil, nil])
        #expect(old.export.files.map(\.sizeSource) == [.upstream, .upstream])
        #expect(old.export.files.map(\.sizeState) == [.claimed, .claimed])
        #expect(old.reference?.id == "7cbbd274-a940-467a-9d3e-077cac9a19cd")
        #expect(old.fence == 2)
        let key = Idempotency(
            key: "0",
            fingerprint: "651b522376f6a5d31403d168b88c105062e6db701529fdee1ab5e6ab70eb46f3"
        )
        let claim = try await ledger.claimed(key, by: "black-box", claimsSince: Timestamp(milliseconds: 0))
        #expect(claim?.replayed?.export.id == exports[1].id)

        let none = DeliveryPage(deliveries: [], hasMore: false)
        #expect(try await ledger.deliveries(of: id, after: nil, limit: 9) == none)
        #expect(try await ledger.refreshTokens(after: nil, limit: 9).isEmpty)
        let delivery = Fixture.delivery(of: id)
        let outcome = try await ledger.insert(delivery) { record in
            record.export.files[1].sha256 = "11"
            record.export.files[1].digestSource = .gateway
            record.export.files[1].digestState = .claimed
        }
        #expect(outcome != .notFound)
        #expect(try await ledger.deliveries(of: id, after: nil, limit: 9)?.deliveries == [delivery])
        #expect(try await ledger.record(id)?.export.files[1].digestSource == .gateway)
    }

    /// With an export that was under way when the process was killed.
    @Test func aReleasedVersionsLedgerGoesOn() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("ledger.sqlite")
        try ledger(of: 4, at: path)
        let ledger = try SQLiteLedger(path: path)
        let exports = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 9).exports
        #expect(exports.map(\.name) == ["Ledger", "Search 2", "Goals", "Search 1", "Report"])
        #expect(exports.map(\.status) == [.notStarted, .canceled, .succeeded, .succeeded, .succeeded])
        for export in exports {
            var filter = ExportFilter()
            filter.provider = export.provider
            filter.connection = export.connection
            filter.status = export.status
            filter.createdBy = export.createdBy
            #expect(try await ledger.exports(matching: filter, before: nil, limit: 9).exports.contains(export))
        }
        let report = try #require(exports.last)
        #expect(
            try await ledger.deliveries(of: report.id, after: nil, limit: 9)?.deliveries.map(\.fileBytes) == [65_536]
        )
        let key = Idempotency(
            key: "key-1",
            fingerprint: "cc1f6dcc89531c68b216fe1c1af2ff811ba660b4c35b5359ea9896727239e019"
        )
        let claim = try await ledger.claimed(key, by: "black-box", claimsSince: Timestamp(milliseconds: 0))
        #expect(claim?.replayed?.export == report)
        #expect(try await ledger.nextMeasurement(besides: []) != nil)

        let taken = try await ledger.takeOver(by: "engine", after: nil, limit: 9) { _ in }
        let item = try #require(taken.items.first)
        #expect(taken.items.count == 1 && item.before.export == exports[0])
        #expect(item.after.phase == .tracking && item.after.fence == item.before.fence + 1)
        let polled = try await ledger.update(item.after.export.id, fence: item.after.fence) { record in
            record.phase = .settled
            record.export.status = .succeeded
        }
        #expect(polled != .stale)
        #expect(try await ledger.takeOver(by: "another", after: nil, limit: 9) { _ in }.items.isEmpty)
    }

    /// With an export that was tracked when the process was killed, and what it was asked for still in the export's own row, or not
    /// any more.
    @Test(arguments: [12, 13]) func theVersionsBeforeThisOneGoOn(migration: Int) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("ledger.sqlite")
        try ledger(of: migration, at: path)
        let ledger = try SQLiteLedger(path: path)
        let exports = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 9).exports
        #expect(exports.map(\.name) == ["Ledger", "Search 2", "Goals", "Search 1", "Report"])
        #expect(exports.map(\.status) == [.notStarted, .canceled, .succeeded, .succeeded, .succeeded])
        for export in exports {
            let record = try #require(try await ledger.record(export.id))
            #expect(record.export == export && record.plan.source == export.source)
            #expect(record.leaseOwner != nil && record.leaseEpoch == 1)
            #expect(record.progress.heldSeconds == 0 && record.progress.heldSecondsSinceAnswer == 0)
        }
        let report = try #require(exports.last)
        #expect(report.files.map(\.digestSource) == [.gateway])
        let deliveries = try await ledger.deliveries(of: report.id, after: nil, limit: 9)?.deliveries
        #expect(deliveries?.map(\.outcome) == [.whole])
        #expect(try await ledger.nextMeasurement(besides: []) != nil)
        let events = try await ledger.events(after: 0, limit: 99)
        #expect(events.count == (migration == 12 ? 0 : 17))

        let taken = try await ledger.takeOver(by: "engine", after: nil, limit: 9) { _ in }
        let item = try #require(taken.items.first)
        #expect(taken.items.count == 1 && item.before.export == exports[0] && item.after.phase == .tracking)
        _ = try await ledger.update(item.after.export.id, fence: item.after.fence) { record in
            record.progress.heldSeconds = 5000
            record.export.revision += 1
        }
        #expect(try await ledger.record(item.after.export.id)?.progress.heldSeconds == 5000)
        #expect(try await ledger.events(after: Int64(events.count), limit: 9).count == 1)
    }

    /// Many exports of an old version: each has its request, numbers in the order of the ids, and no change that nobody saw.
    @Test func everyExportOfABigLedgerIsKept() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("ledger.sqlite")
        try ledger(of: 4, at: path)
        let count = 20_000
        let template = try copyTheFirstExport(count, in: path)
        let started = ContinuousClock.now
        let ledger = try SQLiteLedger(path: path)
        print("\(count) exports were migrated in \(ContinuousClock.now - started)")
        let first = try #require(try await ledger.record(template))
        for number in [1, 2, count / 2, count] {
            let id = try #require(Self.copy(number, of: template))
            var wanted = first
            wanted.export.id = id
            #expect(try await ledger.record(id) == wanted)
        }
        let (exports, unordered, faults) = try await ledger.database.read { database in
            (
                try Int.fetchOne(database, sql: "SELECT count(*) FROM export JOIN export_request USING (key)"),
                try Int.fetchOne(
                    database,
                    sql: """
                        SELECT count(*) FROM (SELECT key, row_number() OVER (ORDER BY id) AS n FROM export)
                        WHERE key <> n
                        """
                ),
                try String.fetchAll(database, sql: "PRAGMA integrity_check")
                    + String.fetchAll(database, sql: "SELECT \"table\" FROM pragma_foreign_key_check")
            )
        }
        #expect(exports == count + 5 && unordered == 0 && faults == ["ok"])
        #expect(try await ledger.events(after: 0, limit: 9).isEmpty)
        _ = try await ledger.update(template, fence: nil) { $0.export.revision += 1 }
        let changed = try #require(try await ledger.record(template)).export
        let wanted = ExportChange(position: 1, changed, after: first.export)
        #expect(try await ledger.events(after: 0, limit: 9) == [.change(wanted)])
    }

    /// Operators repair a ledger with the `sqlite3` command, which does not look after what refers to a row.
    @Test(arguments: [4, 12, 13]) func whatLeadsNowhereIsLeftBehind(migration: Int) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("ledger.sqlite")
        try ledger(of: migration, at: path)
        do {
            let queue = try DatabaseQueue(path: path)
            try await queue.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA foreign_keys = OFF")
                try database.execute(sql: "DELETE FROM export WHERE id IN (SELECT export_id FROM idempotency)")
                try database.execute(sql: "DELETE FROM export WHERE id IN (SELECT export_id FROM delivery)")
            }
        }
        let ledger = try SQLiteLedger(path: path)
        let (left, requests, exports, faults) = try await ledger.database.read { database in
            (
                try Int.fetchOne(
                    database,
                    sql: "SELECT (SELECT count(*) FROM idempotency) + (SELECT count(*) FROM delivery)"
                ),
                try Int.fetchOne(database, sql: "SELECT count(*) FROM export_request"),
                try Int.fetchOne(database, sql: "SELECT count(*) FROM export"),
                try Int.fetchOne(database, sql: "SELECT count(*) FROM pragma_foreign_key_check")
            )
        }
        #expect(left == 0 && requests == exports && faults == 0)
        #expect(try await ledger.insert(Fixture.record()).created != nil)
    }

    /// A number that was given out twice would lead from one export to what another was asked for.
    @Test func aDeletedExportsNumberIsNotGivenOutAgain() async throws {
        let ledger = try SQLiteLedger.temporary()
        let id = try #require(try await ledger.insert(Fixture.record()).created).export.id
        try await ledger.database.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA foreign_keys = OFF")
            try database.execute(sql: "DELETE FROM export WHERE id = ?", arguments: [id.description])
            try database.execute(sql: "PRAGMA foreign_keys = ON")
        }
        #expect(try await ledger.insert(Fixture.record()).created != nil)
    }

    private static func copy(_ number: Int, of id: ExportID) -> ExportID? {
        let digits = String(number, radix: 16)
        return ExportID(id.description.prefix(24) + String(repeating: "0", count: 12 - digits.count) + digits)
    }

    /// Copies an export that ended, which nobody tracks, under other ids.
    private func copyTheFirstExport(_ count: Int, in path: String) throws -> ExportID {
        let queue = try DatabaseQueue(path: path)
        defer { try? queue.close() }
        return try queue.write { database in
            let columns = try String.fetchAll(database, sql: "SELECT name FROM pragma_table_info('export')")
            let id = try String.fetchOne(database, sql: "SELECT id FROM export WHERE phase = 'settled' ORDER BY id")
            let values = columns.map { $0 == "id" ? "substr(id, 1, 24) || printf('%012x', number)" : $0 }
            try database.execute(
                sql: """
                    WITH RECURSIVE numbers (number) AS (VALUES (1) UNION ALL SELECT number + 1 FROM numbers WHERE number < ?)
                    INSERT INTO export (\(columns.joined(separator: ", ")))
                        SELECT \(values.joined(separator: ", ")) FROM numbers, (SELECT * FROM export WHERE id = ?)
                    """,
                arguments: [count, id]
            )
            return try #require(id.flatMap { ExportID($0) })
        }
    }

    @Test(arguments: [1, 4, 12, 13]) func anOldSchemaBecomesWhatANewLedgerHas(migration: Int) async throws {
        func schema(_ path: String) throws -> [String] {
            let queue = try DatabaseQueue(path: path)
            defer { try? queue.close() }
            return try queue.read { database in
                let identifiers = try String.fetchAll(
                    database,
                    sql: "SELECT identifier FROM grdb_migrations ORDER BY CAST(identifier AS INTEGER)"
                )
                #expect(identifiers == Self.migrations)
                return
                    try String.fetchAll(
                        database,
                        sql: "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
                    )
                    .map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
            }
        }
        let directory = try TemporaryDirectory()
        let (old, new) = (directory.file("old.sqlite"), directory.file("new.sqlite"))
        try ledger(of: migration, at: old)
        for path in [old, new] { _ = try SQLiteLedger(path: path) }
        #expect(try schema(old) == schema(new))
    }
}
