import TestLedger
import TestSupport
@testable import ExportLedger
import Exports
import GRDB
import Testing

/// Which successes are due for measuring, and when.
@Suite struct MeasurementTests {
    private let ledger: SQLiteLedger

    init() throws { ledger = try SQLiteLedger.temporary() }

    private static func time(_ seconds: Int) -> Timestamp { Fixture.epoch + .seconds(seconds) }

    /// An export that settled at a time.
    private func settled(_ seconds: Int, _ status: ExportStatus = .succeeded) async throws -> ExportID {
        let id = try #require(try await ledger.insert(Fixture.record(at: Self.time(seconds))).created).export.id
        _ = try await ledger.update(id, fence: nil) { record in
            record.phase = .settled
            record.export.status = status
            record.export.updatedAt = Self.time(seconds)
        }
        return id
    }

    private func claim(_ seconds: Int, besides running: Set<ExportID> = []) async throws -> MeasurementClaim? {
        try await ledger.claimMeasurement(
            at: Self.time(seconds),
            retryAt: Self.time(seconds + 600),
            besides: running
        )
    }

    @Test func aRowThatCannotBeReadStandsInNobodysWay() async throws {
        let (good, bad) = (try await settled(0), try await settled(1))
        try await ledger.database.write { database in
            try database.execute(sql: "UPDATE export SET files = 'x' WHERE id = ?", arguments: [bad.description])
        }
        #expect(try await claim(9)?.export.id == good)
        #expect(try await claim(9) == nil)
        #expect(ledger.unreadable.exports == [bad.description])
    }

    @Test func itOutlivesTheProcess() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("ledger.sqlite")
        var ledger: SQLiteLedger? = try SQLiteLedger(path: path)
        let id = try #require(try await ledger?.insert(Fixture.record()).created).export.id
        _ = try await ledger?
            .update(id, fence: nil) { record in
                record.phase = .settled
                record.export.status = .succeeded
            }
        _ = try await ledger?.claimMeasurement(at: Self.time(1), retryAt: Self.time(2), besides: [])
        ledger = nil
        let next = try SQLiteLedger(path: path)
        #expect(try await next.claimMeasurement(at: Self.time(2), retryAt: Self.time(3), besides: [])?.attempts == 2)
    }
}
