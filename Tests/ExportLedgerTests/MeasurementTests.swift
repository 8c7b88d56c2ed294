@testable import ExportLedger
import Exports
import GRDB
import Testing

/// Which successes are due for measuring, and when.
@Suite struct MeasurementTests {
    private let ledger: SQLiteLedger

    init() throws { ledger = try SQLiteLedger.inMemory() }

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

    @Test func theLastSuccessComesFirst() async throws {
        let (first, second) = (try await settled(0), try await settled(1, .partiallySucceeded))
        for status in [ExportStatus.failed, .canceled, .unknown, .expired] { _ = try await settled(2, status) }
        _ = try await ledger.insert(Fixture.record())
        #expect(try await ledger.nextMeasurement(besides: []) == Self.time(0))
        #expect(try await ledger.nextMeasurement(besides: [first]) == Self.time(1))
        #expect(try await claim(9)?.export.id == second)
        let other = try #require(try await claim(9))
        #expect(try await ledger.record(first)?.export == other.export)
        #expect(other.attempts == 1)
        #expect(try await claim(9) == nil)
        // They come again, unless something else is said of them.
        #expect(try await ledger.nextMeasurement(besides: []) == Self.time(609))
        #expect(try await claim(609, besides: [second])?.attempts == 2)
        try await ledger.setMeasurement(of: second, dueAt: nil, attempts: 1)
        try await ledger.setMeasurement(of: first, dueAt: Self.time(2000), attempts: 1)
        #expect(try await claim(1999) == nil)
        #expect(try await claim(2000)?.attempts == 2)
        try await ledger.setMeasurement(of: first, dueAt: nil, attempts: 0)
        #expect(try await ledger.nextMeasurement(besides: []) == nil)
        // What is no more cannot be put off.
        try await ledger.setMeasurement(of: first, dueAt: Self.time(0), attempts: 0)
        #expect(try await claim(9999) == nil)
    }

    @Test func whatHappensLaterDoesNotBringItBack() async throws {
        let id = try await settled(0)
        try await ledger.setMeasurement(of: id, dueAt: nil, attempts: 1)
        _ = try await ledger.insert(Fixture.delivery(of: id)) { $0.export.revision += 1 }
        _ = try await ledger.update(id, fence: nil) { $0.export.revision += 1 }
        #expect(try await ledger.nextMeasurement(besides: []) == nil)
    }

    @Test func anExpiredOneIsNotRead() async throws {
        let id = try await settled(0)
        _ = try await ledger.update(id, fence: nil) { $0.export.status = .expired }
        #expect(try await ledger.nextMeasurement(besides: []) == nil)
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
