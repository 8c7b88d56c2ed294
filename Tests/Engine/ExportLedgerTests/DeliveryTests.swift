import TestLedger
import TestSupport
@testable import ExportLedger
import Exports
import Foundation
import GRDB
import Testing

@Suite struct DeliveryTests {
    private let ledger: SQLiteLedger
    private let export: ExportID

    init() async throws {
        ledger = try SQLiteLedger.temporary()
        export = try #require(try await ledger.insert(Fixture.record()).created).export.id
    }

    private func page(after: Delivery? = nil, limit: Int = 100) async throws -> DeliveryPage {
        try #require(try await ledger.deliveries(of: export, after: after?.id, limit: limit))
    }

    @Test func unknownExportsHaveNone() async throws {
        let unknown = Fixture.delivery(of: Fixture.id())
        #expect(try await ledger.insert(unknown) { $0.fence += 1 } == .notFound)
        #expect(try await ledger.deliveries(of: unknown.exportID, after: nil, limit: 9) == nil)
        let rows = try await ledger.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM delivery") }
        #expect(rows == 0)
    }

    /// However many deliveries there are, these two look at those alone that they are about.
    @Test(arguments: [
        (Delivery.ofRequest.replacing("?", with: "'x'"), "by_request"),
        ("UPDATE delivery SET reason = 'x' WHERE outcome = 'underWay'", "under_way"),
    ])
    func questionsFollowAnIndex(sql: String, index: String) async throws {
        let plan = try await ledger.database.read { database in
            try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN " + sql).map { $0["detail"] as String }
        }
        #expect(plan.contains { $0.contains("INDEX delivery_\(index)") }, "\(plan)")
    }

    @Test func manyAtOnceLoseNothing() async throws {
        let directory = try TemporaryDirectory()
        let ledger = try SQLiteLedger(path: directory.file("ledger.sqlite"))
        let id = try #require(try await ledger.insert(Fixture.record()).created).export.id
        try await withThrowingTaskGroup(of: Void.self) { group in
            for second in 0..<100 {
                group.addTask {
                    let delivery = Fixture.delivery(of: id, at: Fixture.epoch + .seconds(second))
                    _ = try await ledger.insert(delivery) { $0.progress.polls += 1 }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await ledger.record(id)?.progress.polls == 100)
        #expect(try await ledger.deliveries(of: id, after: nil, limit: 200)?.deliveries.count == 100)
    }

    @Test func anUnreadableRowIsLeftOutAndCounted() async throws {
        _ = try await ledger.insert(Fixture.delivery(of: export)) { _ in }
        try await ledger.database.write { try $0.execute(sql: "UPDATE delivery SET outcome = 'x'") }
        let page = try await page()
        #expect(page.deliveries.isEmpty)
        #expect(page.unreadable == 1)
    }

    @Test func aDeliveryNeedsItsExport() async throws {
        _ = try await ledger.insert(Fixture.delivery(of: export)) { _ in }
        await #expect(throws: DatabaseError.self) {
            try await ledger.database.write { try $0.execute(sql: "DELETE FROM export") }
        }
    }
}

extension Fixture {
    static func delivery(of export: ExportID, at time: Timestamp = epoch) -> Delivery {
        Delivery(
            id: id(at: time),
            exportID: export,
            fileID: nil,
            caller: "alice",
            requestID: "request-1",
            startedAt: time,
            endedAt: time + .milliseconds(1500),
            coding: "identity",
            outcome: .whole
        )
    }
}
