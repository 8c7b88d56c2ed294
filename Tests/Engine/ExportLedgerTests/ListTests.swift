import TestLedger
@testable import ExportLedger
import Exports
import GRDB
import Testing

@Suite struct ListTests {
    private let ledger: SQLiteLedger

    init() throws { ledger = try SQLiteLedger.temporary() }

    @Test(arguments: [
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
        let plan = try await plan(sql)
        #expect(plan.contains { $0.contains(index) }, "\(plan)")
        #expect(!plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
    }

    private func plan(_ sql: String) async throws -> [String] {
        try await ledger.database.read { database in
            let values = Array(repeating: "1", count: sql.count { $0 == "?" })
            return
                try Row.fetchAll(
                    database,
                    sql: "EXPLAIN QUERY PLAN " + sql,
                    arguments: StatementArguments(values)
                )
                .map { $0["detail"] as String }
        }
    }

    /// What is not known is read by one statement, from one end of the ids to the other.
    @Test func whatIsNotKnownIsReadByItsIDs() async throws {
        let plan = try await plan(ExportColumn.selectListed)
        #expect(plan.count == 3 && plan[0].hasPrefix("SCAN json_each"), "\(plan)")
        #expect(plan[1] == "SEARCH export USING INDEX export_by_id (id=?)", "\(plan)")
        #expect(plan[2].hasPrefix("SEARCH export_request USING INTEGER PRIMARY KEY"), "\(plan)")
    }

    /// Every combination of filters: each statement reads one range of one index, from one end to the other.
    @Test("fault D13: every combination of filters has an index", arguments: 0..<16)
    func everyCombinationHasAnIndex(combination: Int) async throws {
        let filters: [ExportColumn] = [.provider, .connection, .status, .createdBy]
        let fixed = Set(filters.indices.filter { combination >> $0 & 1 == 1 }.map { filters[$0] })
        let index = ListIndex(fixing: fixed)
        #expect(fixed.isSubset(of: index.columns))
        // Whatever a filter leaves open takes few values.
        #expect(Set(index.columns).subtracting(fixed).isSubset(of: [.provider, .status]))
        func search(_ columns: ArraySlice<ExportColumn>, _ range: String) -> String {
            "(" + columns.map { "\($0.name)=? AND " }.joined() + range + ")"
        }
        var plans = [(try await plan(index.places), "INDEX", search(index.columns[...], "id>? AND id<?"))]
        for (position, column) in index.columns.enumerated() where !fixed.contains(column) {
            let plan = try await plan(index.nextValue(at: position))
            plans.append((plan, "COVERING INDEX", search(index.columns[..<position], "\(column.name)>?")))
        }
        for (plan, kind, range) in plans {
            #expect(plan == ["SEARCH export USING \(kind) \(index.rawValue) \(range)"])
        }
    }

    @Test func everyCombinationGivesWhatMatches() async throws {
        var generator = SystemRandomNumberGenerator()
        var records: [LedgerRecord] = []
        let statuses: [ExportStatus] = [.running, .failed, .succeeded]
        for index in 0..<200 {
            var record = Fixture.record(
                at: Fixture.epoch + .seconds(index / 3),
                provider: ["a", "b"].randomElement(using: &generator) ?? "",
                // The same name may stand for connections of two providers.
                connection: ["m", "n", "o"].randomElement(using: &generator) ?? "",
                by: ["alice", "bob"].randomElement(using: &generator) ?? ""
            )
            record.export.status = statuses.randomElement(using: &generator) ?? .running
            records.append(record)
            _ = try await ledger.insert(record)
        }
        let newest = records.map(\.export).sorted { $0.id > $1.id }
        var known: [ExportID: ExportSnapshot] = [:]
        for export in newest where Bool.random(using: &generator) { known[export.id] = ExportSnapshot(export) }
        let inMemory = known
        for _ in 0..<400 {
            var filter = ExportFilter()
            filter.provider = [nil, "a", "b", "x"].randomElement(using: &generator)?.map { ProviderID($0) }
            filter.connection = [nil, "m", "n", "x"].randomElement(using: &generator) ?? nil
            filter.createdBy = [nil, "alice", "x"].randomElement(using: &generator) ?? nil
            filter.status = [nil, .running, .canceled].randomElement(using: &generator) ?? nil
            filter.createdAfter = Bool.random(using: &generator) ? Fixture.epoch + .seconds(20) : nil
            filter.createdBefore = Bool.random(using: &generator) ? Fixture.epoch + .seconds(50) : nil
            let before = Bool.random(using: &generator) ? newest.randomElement(using: &generator)?.id : nil
            let limit = Int.random(in: 0...70, using: &generator)
            let matches = newest.filter { export in
                export.provider == filter.provider ?? export.provider
                    && export.connection == filter.connection ?? export.connection
                    && export.createdBy == filter.createdBy ?? export.createdBy
                    && export.status == filter.status ?? export.status
                    && export.createdAt >= filter.createdAfter ?? export.createdAt
                    && (filter.createdBefore.map { export.createdAt < $0 } ?? true)
                    && (before.map { export.id < $0 } ?? true)
            }
            let page = try await ledger.exports(matching: filter, before: before, limit: limit)
            #expect(page.exports == Array(matches.prefix(limit)), "\(filter)")
            #expect(page.hasMore == (matches.count > limit), "\(filter)")
            // Half of them known.
            let some = try await ledger.exports(matching: filter, before: before, limit: limit) { id, revision in
                inMemory[id].flatMap { $0.export.revision == revision ? $0 : nil }
            }
            #expect(some.exports == page.exports && some.hasMore == page.hasMore, "\(filter)")
        }
    }
}
