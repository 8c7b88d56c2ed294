@testable import ExportLedger
import Exports
import Foundation
import GRDB
import Testing

@Suite struct DeliveryTests {
    private let ledger: SQLiteLedger
    private let export: ExportID

    init() async throws {
        ledger = try SQLiteLedger.inMemory()
        export = try #require(try await ledger.insert(Fixture.record()).created).export.id
    }

    private func page(after: Delivery? = nil, limit: Int = 100) async throws -> DeliveryPage {
        try #require(try await ledger.deliveries(of: export, after: after?.id, limit: limit))
    }

    @Test func everyFieldComesBackAsItWasWritten() async throws {
        let least = Fixture.delivery(of: export)
        var full = Fixture.delivery(of: export, at: Fixture.epoch + .seconds(1))
        full.kind = .measurement
        full.fileID = "2"
        full.coding = "gzip"
        full.rangeFirst = 5
        full.rangeLast = .max
        full.bytesSent = 1 << 40
        full.fileBytes = 1 << 41
        full.sha256 = String(repeating: "0a", count: 32)
        full.resumptions = 3
        full.outcome = .broken
        full.reason = "upstream-broken"
        for delivery in [full, least] {
            guard case .written(let before, let after) = try await ledger.insert(delivery, { _ in }) else {
                Issue.record("\(delivery.id) was not written")
                continue
            }
            #expect(before == after)
        }
        #expect(try await page() == DeliveryPage(deliveries: [least, full], hasMore: false))
    }

    @Test func unknownExportsHaveNone() async throws {
        let stranger = Fixture.delivery(of: Fixture.id())
        #expect(try await ledger.insert(stranger) { $0.fence += 1 } == .notFound)
        #expect(try await ledger.deliveries(of: stranger.exportID, after: nil, limit: 9) == nil)
        let rows = try await ledger.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM delivery") }
        #expect(rows == 0)
    }

    @Test func pagesGoFromTheOldestToTheNewest() async throws {
        let other = try #require(try await ledger.insert(Fixture.record()).created).export.id
        let all = (0..<7).map { Fixture.delivery(of: export, at: Fixture.epoch + .seconds($0)) }
        for delivery in all.shuffled() { _ = try await ledger.insert(delivery) { _ in } }
        _ = try await ledger.insert(Fixture.delivery(of: other)) { _ in }

        #expect(try await page(limit: 3) == DeliveryPage(deliveries: Array(all[..<3]), hasMore: true))
        #expect(try await page(after: all[2], limit: 3) == DeliveryPage(deliveries: Array(all[3..<6]), hasMore: true))
        #expect(try await page(after: all[3], limit: 3) == DeliveryPage(deliveries: Array(all[4...]), hasMore: false))
        #expect(try await page(after: all[6]) == DeliveryPage(deliveries: [], hasMore: false))
        #expect(try await page(limit: 0) == DeliveryPage(deliveries: [], hasMore: true))
    }

    @Test func theExportChangesInTheSameTransaction() async throws {
        let delivery = Fixture.delivery(of: export)
        let outcome = try await ledger.insert(delivery) { $0.export.files = [ExportFile(id: "1", name: "a", size: 4)] }
        guard case .written(_, let after) = outcome else { throw LedgerError(.corrupt, "\(outcome)") }
        #expect(try await ledger.record(export) == after)
        #expect(after.export.files.first?.size == 4)

        // The same delivery a second time: neither half of it is carried out.
        await #expect(throws: LedgerError.self) {
            try await ledger.insert(delivery) { $0.export.files[0].size = 5 }
        }
        #expect(try await ledger.record(export) == after)
        #expect(try await page().deliveries == [delivery])
    }

    @Test func aDeliveryThatBeginsIsARowUntilItEnds() async throws {
        var delivery = Fixture.delivery(of: export)
        let whole = delivery
        delivery.endedAt = nil
        delivery.outcome = .underWay
        let before = try await ledger.record(export)
        #expect(try await ledger.begin(delivery))
        #expect(try await ledger.record(export) == before)
        #expect(try await page().deliveries == [delivery])
        await #expect(throws: LedgerError.self) { try await ledger.begin(delivery) }

        #expect(try await ledger.insert(whole) { $0.export.revision += 1 } != .notFound)
        #expect(try await page().deliveries == [whole])
        #expect(try await ledger.record(export)?.export.revision == 2)
        // It ends once.
        await #expect(throws: LedgerError.self) { try await ledger.insert(whole) { $0.export.revision += 1 } }
        #expect(try await ledger.record(export)?.export.revision == 2)
        #expect(try await !ledger.begin(Fixture.delivery(of: Fixture.id())))
    }

    @Test func whatIsUnderWayAtAStartIsBroken() async throws {
        var cut = Fixture.delivery(of: export)
        cut.endedAt = nil
        cut.outcome = .underWay
        let ended = Fixture.delivery(of: export, at: Fixture.epoch + .seconds(1))
        #expect(try await ledger.begin(cut))
        _ = try await ledger.insert(ended) { _ in }
        let now = Fixture.epoch + .seconds(60)
        #expect(try await ledger.breakDeliveriesUnderWay(at: now, reason: Delivery.gatewayStopped) == 1)
        cut.endedAt = now
        cut.outcome = .broken
        cut.reason = "gateway-stopped"
        #expect(try await page().deliveries == [cut, ended])
        #expect(try await ledger.breakDeliveriesUnderWay(at: now + .seconds(1), reason: "other") == 0)
        #expect(try await page().deliveries == [cut, ended])
    }

    /// The request's id is the client's own: it may stand for several downloads.
    @Test func oneRequestsDeliveriesAreFoundByItsID() async throws {
        var all = (0..<6).map { Fixture.delivery(of: export, at: Fixture.epoch + .seconds($0)) }
        for index in [1, 2, 5] { all[index].requestID = "mine" }
        for delivery in all { _ = try await ledger.insert(delivery) { _ in } }
        let first = try await ledger.deliveries(of: export, requestID: "mine", after: nil, limit: 2)
        #expect(first == DeliveryPage(deliveries: [all[1], all[2]], hasMore: true))
        let rest = try await ledger.deliveries(of: export, requestID: "mine", after: all[2].id, limit: 2)
        #expect(rest == DeliveryPage(deliveries: [all[5]], hasMore: false))
        let none = DeliveryPage(deliveries: [], hasMore: false)
        #expect(try await ledger.deliveries(of: export, requestID: "another", after: nil, limit: 2) == none)
        #expect(try await ledger.deliveries(of: Fixture.id(), requestID: "mine", after: nil, limit: 2) == nil)
    }

    /// However many deliveries there are, these two look at those alone that they are about.
    @Test(arguments: [
        ("SELECT * FROM delivery WHERE export_id = 'x' AND id > '' AND request_id = 'y' ORDER BY id", "by_request"),
        ("UPDATE delivery SET reason = 'x' WHERE outcome = 'underWay'", "under_way"),
    ])
    func questionsFollowAnIndex(sql: String, index: String) async throws {
        let plan = try await ledger.database.read { database in
            try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN " + sql).map { $0["detail"] as String }
        }
        #expect(plan.contains { $0.contains("INDEX delivery_\(index)") }, "\(plan)")
    }

    @Test func anOwnersFenceIsNoHindranceAndStaysValid() async throws {
        let owned = try #require(try await ledger.claim(export))
        _ = try await ledger.insert(Fixture.delivery(of: export)) { $0.export.revision += 1 }
        #expect(try await ledger.update(export, fence: owned.fence) { $0.export.revision += 1 } != .stale)
        #expect(try await ledger.record(export)?.export.revision == 3)
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
