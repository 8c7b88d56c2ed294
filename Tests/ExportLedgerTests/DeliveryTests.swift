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

    @Test func anUnreadableRowIsCorrupt() async throws {
        _ = try await ledger.insert(Fixture.delivery(of: export)) { _ in }
        try await ledger.database.write { try $0.execute(sql: "UPDATE delivery SET outcome = 'x'") }
        let error = await #expect(throws: LedgerError.self) { try await page() }
        #expect(error?.code == .corrupt)
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
