import ExportLedger
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

    @Test(arguments: [1, 4]) func anOldSchemaBecomesWhatANewLedgerHas(migration: Int) async throws {
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
