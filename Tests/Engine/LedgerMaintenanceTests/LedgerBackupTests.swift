import ExportLedger
import Exports
import Foundation
import GRDB
import LedgerMaintenance
import TestSupport
import Testing

@Suite struct LedgerBackupTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.file("ledger.sqlite") }
    private var backup: String { directory.file("backup.sqlite") }

    init() throws { directory = try TemporaryDirectory() }

    private var files: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() }
    }

    @Test func aLedgerInUseIsBackedUp() async throws {
        try await FilledLedger.make(path)
        var ledger: SQLiteLedger? = try SQLiteLedger(path: path)
        let events = try await ledger?.events(after: 0, limit: 1000)
        let bytes = try LedgerBackup.run(of: path, to: backup)
        #expect(bytes > 0)
        let mode = try FileManager.default.attributesOfItem(atPath: backup)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try files.filter { $0.hasPrefix("backup") } == ["backup.sqlite"])
        #expect(try LedgerPlace(backup).check().filter { !$0.isGood } == [])
        let restored = try SQLiteLedger(path: backup)
        #expect(try await restored.events(after: 0, limit: 1000) == events)
        // The gateway goes on.
        try await ledger?.check()
        ledger = nil
        try SQLiteLedger(path: path).close()
    }

    @Test func aBackupBeforeIsReplaced() async throws {
        try await FilledLedger.make(path, exports: 2)
        _ = try LedgerBackup.run(of: path, to: backup)
        let before = try Data(contentsOf: URL(filePath: backup))
        do {
            let ledger = try SQLiteLedger(path: path)
            defer { ledger.close() }
            try await ledger.database.write { try $0.execute(sql: "DELETE FROM export_tombstone") }
        }
        // What a backup left that was cut off.
        try Data("x".utf8).write(to: URL(filePath: backup + ".incomplete"))
        _ = try LedgerBackup.run(of: path, to: backup)
        #expect(try Data(contentsOf: URL(filePath: backup)) != before)
        #expect(try files.filter { $0.hasPrefix("backup") } == ["backup.sqlite"])
    }

    @Test func ledgersAreNoTargets() async throws {
        try await FilledLedger.make(path, exports: 2)
        #expect(throws: StartupError.self) { try LedgerBackup.run(of: path, to: path) }
        let other = directory.file("other.sqlite")
        let ledger = try SQLiteLedger(path: other)
        #expect(throws: StartupError.self) { try LedgerBackup.run(of: path, to: other) }
        withExtendedLifetime(ledger) {}
    }

    @Test func nothingIsLeftOfABackupThatFails() throws {
        try Data(repeating: 65, count: 10_000).write(to: URL(filePath: path))
        #expect(throws: MaintenanceError.self) { try LedgerBackup.run(of: path, to: backup) }
        #expect(try files == ["ledger.sqlite"])
    }
}
