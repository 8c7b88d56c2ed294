import ExportLedger
import Exports
import Foundation
import GRDB
@testable import LedgerMaintenance
import TestSupport
import Testing

@Suite struct LedgerCheckTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.file("ledger.sqlite") }

    init() throws { directory = try TemporaryDirectory() }

    private func change(_ sql: String) throws {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        try DatabaseQueue(path: path, configuration: configuration).write { try $0.execute(sql: sql) }
    }

    private func bad() throws -> [LedgerFinding] { try LedgerPlace(path).check().filter { !$0.isGood } }

    @Test func aWholeLedgerHasNoFinding() async throws {
        try await FilledLedger.make(path)
        let findings = try LedgerPlace(path).check()
        #expect(findings.filter { !$0.isGood } == [])
        #expect(findings.map(\.subject) == ["file"] + LedgerTable.all.map(\.name))
        #expect(findings.first { $0.subject == "export" }?.detail == "40 rows")
    }

    @Test func aLedgerInUseIsChecked() async throws {
        try await FilledLedger.make(path)
        do {
            let ledger = try SQLiteLedger(path: path)
            defer { ledger.close() }
            #expect(try bad() == [])
            try await ledger.check()
        }
        // The check has left the files so that the gateway can start.
        #expect(try bad() == [])
        try SQLiteLedger(path: path).close()
    }

    @Test(arguments: [
        ("DELETE FROM export WHERE key = 8", ["delivery", "measurement", "export_request", "export_event"]),
        ("DELETE FROM export WHERE key = 1", ["idempotency", "refresh_token", "export_request", "export_event"]),
        ("DELETE FROM export_request WHERE key = 3", ["export", "export"]),
        ("UPDATE idempotency SET caller = 'bob'", ["idempotency"]),
        ("UPDATE export SET phase = 'settled' WHERE key = 1", ["refresh_token"]),
        ("UPDATE export_tombstone SET id = (SELECT min(id) FROM export)", ["export_tombstone"]),
        ("UPDATE export_event SET revision = 9 WHERE sequence = 2", ["export_event", "export_event"]),
        ("DELETE FROM export_event WHERE sequence = (SELECT max(sequence) FROM export_event)", ["export_event"]),
        ("UPDATE export SET files = '[{' WHERE key = 2", ["export"]),
        ("UPDATE export SET status = 'wonderful' WHERE key = 2", ["export"]),
        ("UPDATE delivery SET outcome = 'wonderful'", ["delivery"]),
        ("UPDATE export_event SET code = 'wonderful' WHERE sequence = 1", ["export_event"]),
        ("UPDATE export_tombstone SET status = 'wonderful'", ["export_tombstone"]),
        ("UPDATE webhook SET types = '[\"wonderful\"]'", ["webhook"]),
        ("UPDATE webhook_message SET type = 'wonderful'", ["webhook_message"]),
        ("UPDATE webhook_message SET turn = NULL WHERE turn = 1", ["webhook_message"]),
        ("UPDATE webhook_message SET turn = 0 WHERE state = 'pending' AND turn IS NULL", ["webhook_message"]),
        ("UPDATE webhook_message SET turn = 0 WHERE state = 'delivered'", ["webhook_message"]),
        ("UPDATE webhook_message SET due_at = NULL WHERE state = 'pending'", ["webhook_message"]),
        ("DELETE FROM webhook", []),
        ("DROP INDEX webhook_message_turn", ["schema"]),
        ("DROP INDEX export_by_job", ["schema"]),
    ])
    func whatIsWrongIsFound(_ sql: String, _ subjects: [String]) async throws {
        try await FilledLedger.make(path)
        try change(sql)
        #expect(try bad().map(\.subject).sorted() == subjects.sorted())
    }

    @Test func aDamagedFileIsFound() async throws {
        try await FilledLedger.make(path)
        let file = try FileHandle(forUpdating: URL(filePath: path))
        try file.seek(toOffset: 4096 * 8)
        try file.write(contentsOf: Data(repeating: 0xA5, count: 4096))
        try file.close()
        do {
            #expect(try bad().contains { $0.subject == "file" })
        } catch let error as MaintenanceError {
            #expect("\(error)".contains("SQLite"))
        }
    }

    @Test func secretsAreNotShown() async throws {
        try await FilledLedger.make(path)
        try change(
            "UPDATE refresh_token SET export_id = 'no id', sealed = x'5345435245542d' WHERE export_id = (SELECT min(id) FROM export)"
        )
        let text = try LedgerPlace(path).check().map(\.description).joined()
        #expect(text.contains("no id"))
        #expect(!text.contains("SECRET"))
    }

    @Test func whatIsNoLedgerIsRefused() throws {
        #expect(throws: StartupError.self) { try LedgerPlace(path).check() }
        try DatabaseQueue(path: path).write { try $0.execute(sql: "CREATE TABLE other (x)") }
        #expect(throws: StartupError.self) { try LedgerPlace(path).check() }
    }
}
