import TestSupport
@testable import ExportLedger
import Exports
import Foundation
import GRDB
import Testing

@Suite struct FileTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.file("ledger.sqlite") }

    init() throws { directory = try TemporaryDirectory() }

    private func startupError(_ path: String) -> StartupError? {
        do {
            _ = try SQLiteLedger(path: path)
            return nil
        } catch {
            return error as? StartupError
        }
    }

    @Test func whatIsWrittenIsThereAfterReopening() async throws {
        let record = Fixture.fullRecord()
        do {
            let ledger = try SQLiteLedger(path: path)
            _ = try await ledger.insert(record)
        }
        let ledger = try SQLiteLedger(path: path)
        #expect(try await ledger.record(record.export.id) == record)
        try await ledger.check()
    }

    @Test func commitsAreForcedToTheDisk() async throws {
        let ledger = try SQLiteLedger(path: path)
        let (mode, synchronous) = try await ledger.database.write { database in
            (
                try String.fetchOne(database, sql: "PRAGMA journal_mode"),
                try Int.fetchOne(database, sql: "PRAGMA synchronous")
            )
        }
        #expect(mode == "wal")
        #expect(synchronous == 2)
    }

    @Test func fileBelongsToOneAtATime() throws {
        let first = try SQLiteLedger(path: path)
        let error = startupError(path)
        #expect(error?.key == "ledger.path")
        #expect(error?.detail.contains("Another gateway") == true)
        withExtendedLifetime(first) {}
    }

    @Test func lockIsFreeAgainAfterwards() throws {
        do { _ = try SQLiteLedger(path: path) }
        #expect(startupError(path) == nil)
    }

    @Test func missingDirectoryIsTheOperatorsMistake() {
        let error = startupError(directory.file("no/such/ledger.sqlite"))
        #expect(error?.key == "ledger.path")
        #expect(error?.detail.contains("directory must exist") == true)
    }

    @Test func directoryIsNoLedger() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(startupError(path)?.key == "ledger.path")
    }

    @Test func otherFilesAreNoLedger() throws {
        try Data(repeating: 0x41, count: 10_000).write(to: URL(filePath: path))
        let error = startupError(path)
        #expect(error?.key == "ledger.path")
        #expect(error?.detail.contains("cannot be used as the ledger") == true)
        // Somebody else's file is left as it was.
        #expect(try Data(contentsOf: URL(filePath: path)) == Data(repeating: 0x41, count: 10_000))
    }

    @Test func newerSchemaIsRefused() async throws {
        do {
            let ledger = try SQLiteLedger(path: path)
            try await ledger.database.write { database in
                try database.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('999 later')")
            }
        }
        #expect(startupError(path)?.detail.contains("newer version") == true)
    }

    @Test func unreadableRowIsCorrupt() async throws {
        let ledger = try SQLiteLedger(path: path)
        let id = try #require(try await ledger.insert(Fixture.record()).created).export.id
        try await ledger.database.write { try $0.execute(sql: "UPDATE export_request SET plan = 'x'") }
        let error = await #expect(throws: LedgerError.self) { try await ledger.record(id) }
        #expect(error?.code == .corrupt)
    }
}
