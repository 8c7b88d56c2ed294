@testable import ExportLedger
import Exports
import GRDB
import Testing

@Suite struct ListTests {
    private let ledger: SQLiteLedger
    private let records: [LedgerRecord]

    init() async throws {
        ledger = try SQLiteLedger.inMemory()
        var records: [LedgerRecord] = []
        for index in 0..<10 {
            var record = Fixture.record(
                at: Fixture.epoch + .seconds(index),
                provider: index % 2 == 0 ? "power-bi" : "viva-goals",
                connection: index < 5 ? "a" : "b"
            )
            record.export.status = index % 3 == 0 ? .succeeded : .running
            if index % 7 == 0 { record.export.createdBy = "bob" }
            records.append(record)
        }
        for record in records.shuffled() { _ = try await ledger.insert(record) }
        self.records = records
    }

    private func indices(
        before: Int? = nil,
        limit: Int = 100,
        _ change: (inout ExportFilter) -> Void = { _ in }
    ) async throws -> [Int] {
        var filter = ExportFilter()
        change(&filter)
        let page = try await ledger.exports(
            matching: filter,
            before: before.map { records[$0].export.id },
            limit: limit
        )
        return page.exports.compactMap { export in records.firstIndex { $0.export == export } }
    }

    @Test func newestComeFirst() async throws {
        #expect(try await indices() == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    }

    @Test func filtersCombine() async throws {
        #expect(try await indices { $0.provider = ProviderID("power-bi") } == [8, 6, 4, 2, 0])
        #expect(try await indices { $0.connection = "a" } == [4, 3, 2, 1, 0])
        #expect(try await indices { $0.status = .succeeded } == [9, 6, 3, 0])
        #expect(try await indices { $0.createdAfter = Fixture.epoch + .seconds(8) } == [9, 8])
        #expect(try await indices { $0.createdBefore = Fixture.epoch + .seconds(2) } == [1, 0])
        #expect(try await indices { $0.createdBy = "bob" } == [7, 0])
        let all = try await indices {
            $0.provider = ProviderID("power-bi")
            $0.connection = "b"
            $0.status = .succeeded
            $0.createdAfter = Fixture.epoch
            $0.createdBefore = Fixture.epoch + .seconds(9)
        }
        #expect(all == [6])
    }

    @Test func pagesAreStableUnderInserts() async throws {
        let first = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 4)
        #expect(first.hasMore)
        _ = try await ledger.insert(Fixture.record(at: Fixture.epoch + .seconds(60)))
        #expect(try await indices(before: 6, limit: 4) == [5, 4, 3, 2])
        let last = try await ledger.exports(matching: ExportFilter(), before: records[2].export.id, limit: 2)
        #expect(last.exports.map(\.id) == [records[1].export.id, records[0].export.id])
        #expect(!last.hasMore)
        #expect(try await indices(limit: 0) == [])
    }

    @Test func successesExpire() async throws {
        #expect(try await ledger.nextExpiry() == nil)
        for (index, seconds) in [(0, 50), (3, 20), (1, 10)] {
            _ = try await ledger.update(records[index].export.id, fence: nil) {
                $0.export.expiresAt = Fixture.epoch + .seconds(seconds)
            }
        }
        // Number 1 is running: it has nothing that could expire.
        #expect(try await ledger.nextExpiry() == Fixture.epoch + .seconds(20))
        #expect(try await ledger.expired(at: Fixture.epoch + .seconds(19), limit: 9) == [])
        #expect(try await ledger.expired(at: Fixture.epoch + .seconds(20), limit: 9) == [records[3].export.id])
        #expect(try await ledger.expired(at: Fixture.epoch + .seconds(99), limit: 1) == [records[3].export.id])
    }

    @Test(arguments: [
        ("SELECT * FROM export WHERE provider = 'x' ORDER BY id DESC LIMIT 9", "export_by_provider"),
        ("SELECT * FROM export WHERE connection = 'x' ORDER BY id DESC LIMIT 9", "export_by_connection"),
        ("SELECT * FROM export WHERE status = 'x' AND id < 'x' ORDER BY id DESC LIMIT 9", "export_by_status"),
        ("SELECT * FROM export WHERE created_by = 'x' AND id < 'x' ORDER BY id DESC LIMIT 9", "export_by_creator"),
        ("SELECT * FROM export WHERE phase <> 'settled' ORDER BY id", "export_unfinished"),
        ("SELECT * FROM delivery WHERE export_id = 'x' AND id > 'x' ORDER BY id LIMIT 9", "USING PRIMARY KEY"),
        (
            """
            SELECT id FROM export INDEXED BY export_expiring WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL
            AND expires_at <= 5 ORDER BY expires_at LIMIT 9
            """, "export_expiring"
        ),
    ])
    func indexesServeTheQueries(sql: String, index: String) async throws {
        let plan = try await ledger.database.read { database in
            try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN " + sql).map { $0["detail"] as String }
        }
        #expect(plan.contains { $0.contains(index) }, "\(plan)")
        #expect(!plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
    }
}
