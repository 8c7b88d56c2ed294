import TestLedger
import TestSupport
@testable import ExportLedger
import Exports
import GRDB
import Testing

@Suite struct RefreshTokenTests {
    private let ledger: SQLiteLedger
    private let export: ExportID

    init() async throws {
        ledger = try SQLiteLedger.temporary()
        export = try #require(try await ledger.insert(Fixture.record()).created).export.id
    }

    private func keep(_ sealed: [UInt8]?, for id: ExportID? = nil) async throws -> Bool {
        try await ledger.updateRefreshToken(of: id ?? export) { $0 = sealed }
    }

    private func rows() async throws -> Int? {
        try await ledger.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM refresh_token") }
    }

    @Test func oneForEachExportAndTheLastOneStays() async throws {
        #expect(try await ledger.refreshToken(of: export) == nil)
        #expect(try await keep([1, 0, 255]))
        #expect(try await ledger.refreshToken(of: export) == [1, 0, 255])
        #expect(try await keep([2]))
        #expect(try await ledger.refreshToken(of: export) == [2])
        #expect(try await rows() == 1)
        #expect(try await keep(nil))
        #expect(try await ledger.refreshToken(of: export) == nil)
        #expect(try await rows() == 0)
    }

    @Test func itIsGoneWithTheUpdateThatSettlesItsExport() async throws {
        _ = try await keep([1])
        _ = try await ledger.update(export, fence: nil) { $0.phase = .tracking }
        #expect(try await ledger.refreshToken(of: export) == [1])
        _ = try await ledger.update(export, fence: nil) { $0.phase = .settled }
        #expect(try await ledger.refreshToken(of: export) == nil)
        // A worker that comes late leaves nothing behind.
        let isKept = try await ledger.updateRefreshToken(of: export) { _ in Issue.record("A settled export's token.") }
        #expect(!isKept)
        #expect(try await keep([2]) == false)
        #expect(try await rows() == 0)
    }

    @Test func anothersEndTakesNothingAway() async throws {
        let other = try #require(try await ledger.insert(Fixture.record()).created).export.id
        _ = try await keep([1])
        _ = try await keep([2], for: other)
        _ = try await ledger.update(other, fence: nil) { $0.phase = .settled }
        #expect(try await ledger.refreshToken(of: export) == [1])
        #expect(try await rows() == 1)
    }

    @Test func itSurvivesReopening() async throws {
        let directory = try TemporaryDirectory()
        let record = Fixture.record()
        do {
            let ledger = try SQLiteLedger(path: directory.file("ledger.sqlite"))
            _ = try await ledger.insert(record)
            _ = try await ledger.updateRefreshToken(of: record.export.id) { $0 = [7] }
        }
        let ledger = try SQLiteLedger(path: directory.file("ledger.sqlite"))
        #expect(try await ledger.refreshToken(of: record.export.id) == [7])
    }
}
