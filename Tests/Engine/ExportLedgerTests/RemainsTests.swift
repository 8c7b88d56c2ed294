import Exports
import Foundation
import GRDB
import Testing
import TestSupport

@testable import ExportLedger

/// What a ledger leaves behind when it ends, and what is refused because a part of that is gone.
@Suite struct RemainsTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.file("ledger.sqlite") }

    init() throws { directory = try TemporaryDirectory() }

    private func marker() throws -> LedgerMarker? {
        LedgerMarker(text: try String(contentsOfFile: path + ".lock", encoding: .utf8))
    }

    private func refusal() -> StartupError? {
        do {
            try LedgerFiles(path: path).refuseRemains(try marker())
            return nil
        } catch {
            return error as? StartupError
        }
    }

    private func mode(_ name: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: name)[.posixPermissions] as? Int)
    }

    /// The files as a process that was killed leaves them: copied while it runs, and moved back after it has ended.
    private func killed(after sql: String = "") async throws {
        let ledger = try SQLiteLedger(path: path)
        _ = try await ledger.insert(Fixture.record())
        try await ledger.database.write { try $0.execute(sql: sql) }
        let kept = Dictionary(
            uniqueKeysWithValues: try ["", "-wal", "-shm", ".lock"]
                .map {
                    ($0, try Data(contentsOf: URL(filePath: path + $0)))
                }
        )
        ledger.close()
        for (end, data) in kept {
            // The lock file and the ledger stay the files that they are: their numbers count.
            if !FileManager.default.fileExists(atPath: path + end) {
                try #require(FileManager.default.createFile(atPath: path + end, contents: nil))
            }
            let handle = try #require(FileHandle(forWritingAtPath: path + end))
            try handle.truncate(atOffset: 0)
            try handle.write(contentsOf: data)
            try handle.close()
        }
    }

    @Test func aLedgerThatIsClosedSaysSo() async throws {
        do {
            let ledger = try SQLiteLedger(path: path)
            #expect(try marker()?.state == .open)
            #expect(FileManager.default.fileExists(atPath: path + "-wal"))
            _ = try await ledger.insert(Fixture.record())
        }
        #expect(try marker()?.state == .closed)
        #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
        #expect(refusal() == nil)
    }

    @Test func afterTheEndNothingIsAnswered() async throws {
        let ledger = try SQLiteLedger(path: path)
        ledger.close()
        ledger.close()
        await #expect(throws: LedgerError.self) { try await ledger.check() }
    }

    @Test func aKilledLedgerIsTakenUp() async throws {
        try await killed()
        #expect(try marker()?.state == .open)
        #expect(refusal() == nil)
        let ledger = try SQLiteLedger(path: path)
        #expect(try await ledger.exports(matching: ExportFilter(), before: nil, limit: 9).exports.count == 1)
    }

    /// It closes the file, and with that its log is gone.
    @Test func aStartThatFailedAfterAKillLosesNothing() async throws {
        try await killed(after: "INSERT INTO grdb_migrations (identifier) VALUES ('999 later')")
        let error = #expect(throws: StartupError.self) { try SQLiteLedger(path: path) }
        #expect(error?.detail.contains("newer version") == true)
        #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
        #expect(refusal() == nil)
        do {
            let queue = try DatabaseQueue(path: path)
            try await queue.write { try $0.execute(sql: "DELETE FROM grdb_migrations WHERE identifier = '999 later'") }
        }
        let ledger = try SQLiteLedger(path: path)
        #expect(try await ledger.exports(matching: ExportFilter(), before: nil, limit: 9).exports.count == 1)
    }

    @Test(arguments: ["deleted ledger", "empty ledger", "deleted log"]) func aPartThatIsGoneIsMissed(loss: String)
        async throws
    {
        try await killed()
        switch loss {
        case "deleted ledger": try FileManager.default.removeItem(atPath: path)
        case "empty ledger": truncate(path, 0)
        default: try FileManager.default.removeItem(atPath: path + "-wal")
        }
        #expect(refusal()?.key == "ledger.path")
        let error = #expect(throws: StartupError.self) { try SQLiteLedger(path: path) }
        #expect(error?.key == "ledger.path")
        // Nothing was made, and nothing deleted.
        #expect(FileManager.default.fileExists(atPath: path) == (loss != "deleted ledger"))
        #expect(FileManager.default.fileExists(atPath: path + "-wal") == (loss != "deleted log"))
    }

    /// Files of a version that wrote no marker, and of nobody.
    @Test func withoutAMarkerOnlyALogAloneIsRefused() throws {
        #expect(throws: Never.self) { try LedgerFiles(path: path).refuseRemains(nil) }
        try Data("x".utf8).write(to: URL(filePath: path + "-wal"))
        #expect(throws: StartupError.self) { try LedgerFiles(path: path).refuseRemains(nil) }
        try Data("x".utf8).write(to: URL(filePath: path))
        #expect(throws: Never.self) { try LedgerFiles(path: path).refuseRemains(nil) }
    }

    @Test func aCopyNeedsNothingBesideIt() async throws {
        try await killed()
        try FileManager.default.removeItem(atPath: path + "-wal")
        let copy = directory.file("copy.sqlite")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        #expect(refusal() != nil)
        for end in ["", "-shm"] where FileManager.default.fileExists(atPath: path + end) {
            try FileManager.default.removeItem(atPath: path + end)
        }
        try FileManager.default.moveItem(atPath: copy, toPath: path)
        #expect(refusal() == nil)
    }

    @Test(arguments: LedgerMarker.State.allCases) func markersAreOfOneLength(state: LedgerMarker.State) {
        for number in [1, UInt64.max] {
            let marker = LedgerMarker(file: number, state: state)
            #expect(LedgerMarker(text: marker.text) == marker)
            #expect(marker.text.utf8.count == 51)
        }
        for text in ["", "export-gateway-ledger", "export-gateway-ledger 1 gone", "something 1 open", "\0\0\0"] {
            #expect(LedgerMarker(text: text) == nil)
        }
    }

    @Test func filesAreForTheirUserAlone() throws {
        var ledger: SQLiteLedger? = try SQLiteLedger(path: path)
        for end in ["", "-wal", "-shm", ".lock"] { #expect(try mode(path + end) == 0o600) }
        ledger?.close()
        ledger = nil
        for end in ["", ".lock"] { chmod(path + end, 0o664) }
        ledger = try SQLiteLedger(path: path)
        for end in ["", "-wal", "-shm", ".lock"] { #expect(try mode(path + end) == 0o600) }
        withExtendedLifetime(ledger) {}
    }

    @Test func aFileThatIsRemovedTakesNoExports() async throws {
        let ledger = try SQLiteLedger(path: path)
        let id = try #require(try await ledger.insert(Fixture.record()).created).export.id
        #expect(try await ledger.impediment() == nil)
        try FileManager.default.removeItem(atPath: path)
        let error = await #expect(throws: LedgerError.self) { _ = try await ledger.insert(Fixture.record()) }
        #expect(error?.impediment == .fileRemoved)
        #expect(try await ledger.impediment() == .fileRemoved)
        #expect(try await ledger.record(id) != nil)
    }

    private static let setPlan =
        "UPDATE export_request SET plan = ? WHERE key = (SELECT key FROM export WHERE id = ?)"

    /// An export of which a part is gone is one that cannot be read, and not one that never was.
    @Test func anExportWithoutItsRequestCannotBeRead() async throws {
        let ledger = try SQLiteLedger(path: path)
        let record = try #require(try await ledger.insert(Fixture.record()).created)
        try await ledger.database.write { try $0.execute(sql: "DELETE FROM export_request") }
        let error = await #expect(throws: LedgerError.self) { try await ledger.record(record.export.id) }
        #expect(error?.owner == "alice" && error?.column == "source")
        let page = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 2)
        #expect(page.exports.isEmpty && page.unreadable == 1)
    }

    /// What one call costs is bounded, and every row that can be read is found by going on.
    @Test func aStretchThatCannotBeReadIsPassedOverPageByPage() async throws {
        let ledger = try SQLiteLedger(path: path)
        let (stretch, most) = (2 * SQLiteLedger.mostLeftOut + 50, SQLiteLedger.mostLeftOut)
        var good: [ExportID] = []
        for number in 0..<(stretch + 6) {
            let record = Fixture.record(at: Fixture.epoch + .seconds(number))
            let id = try #require(try await ledger.insert(record).created).export.id
            if number < 3 || number >= stretch + 3 { good.append(id) }
        }
        let marks = good.map { "'\($0)'" }.joined(separator: ", ")
        try await ledger.database.write { database in
            try database.execute(sql: "UPDATE export SET files = 'x' WHERE id NOT IN (\(marks))")
        }
        for limit in [1, 3, 200] {
            var (found, leftOut, pages): ([ExportID], Int, Int) = ([], 0, 0)
            var before: ExportID?
            repeat {
                let page = try await ledger.exports(matching: ExportFilter(), before: before, limit: limit)
                #expect(page.unreadable <= most + limit)
                #expect(page.hasMore == (page.next != nil))
                found += page.exports.map(\.id)
                (leftOut, pages, before) = (leftOut + page.unreadable, pages + 1, page.next)
            } while before != nil && pages < 100
            #expect(found == good.reversed() && leftOut == stretch, "\(limit)")
        }
        var (taken, pages): ([ExportID], Int) = ([], 0)
        var after: ExportID?
        repeat {
            let page = try await ledger.takeOver(by: "engine", after: after, limit: 200) { _ in }
            taken += page.items.map(\.after.export.id)
            (pages, after) = (pages + 1, page.next)
        } while after != nil && pages < 100
        #expect(taken == good && pages == 3)
    }

    @Test func deliveriesThatCannotBeReadArePassedOverPageByPage() async throws {
        let ledger = try SQLiteLedger(path: path)
        let id = try #require(try await ledger.insert(Fixture.record()).created).export.id
        for number in 0..<4 {
            var delivery = Fixture.delivery(of: id)
            delivery.id = Fixture.id(at: Fixture.epoch + .seconds(number * 10_000))
            _ = try await ledger.insert(delivery) { _ in }
        }
        let stretch = SQLiteLedger.mostLeftOut + 20
        let ids = (0..<stretch).map { Fixture.id(at: Fixture.epoch + .seconds(1 + $0)).description }
        try await ledger.database.write { database in
            for other in ids {
                try database.execute(
                    sql: """
                        INSERT INTO delivery SELECT export_id, ?, kind, file_id, caller, request_id, started_at, ended_at, coding,
                            range_first, range_last, bytes_sent, file_bytes, sha256, resumptions, 'x', reason,
                            ticket, ticket_use
                        FROM delivery LIMIT 1
                        """,
                    arguments: [other]
                )
            }
        }
        let first = try #require(try await ledger.deliveries(of: id, after: nil, limit: 3))
        #expect(first.deliveries.count == 1 && first.hasMore && first.unreadable == SQLiteLedger.mostLeftOut)
        let second = try #require(try await ledger.deliveries(of: id, after: first.next, limit: 3))
        #expect(second.deliveries.count == 3 && !second.hasMore && second.unreadable == 20)
    }

    /// One bad row of each kind: everything else goes on, and each is named once.
    @Test func rowsThatCannotBeReadAreSetAside() async throws {
        let ledger = try SQLiteLedger(path: path)
        var records: [LedgerRecord] = []
        for second in 0..<4 {
            var record = Fixture.record(at: Fixture.epoch + .seconds(second))
            record.export.status = .succeeded
            record.export.expiresAt = Fixture.epoch + .seconds(100 + second)
            records.append(try #require(try await ledger.insert(record).created))
        }
        let (bad, good, unlisted) = (records[0].export.id, records[1].export.id, records[3].export.id)
        try await ledger.database.write { database in
            try database.execute(sql: Self.setPlan, arguments: ["{", bad.description])
            try database.execute(
                sql: "UPDATE export SET files = 'x' WHERE id = ?",
                arguments: [unlisted.description]
            )
        }
        let taken = try await ledger.takeOver(by: "b", after: nil, limit: 10) { _ in }
        #expect(taken.items.map(\.after.export.id) == [good, records[2].export.id] && taken.next == nil)
        let error = await #expect(throws: LedgerError.self) { try await ledger.record(bad) }
        #expect(error?.owner == "alice")
        #expect(ledger.unreadable.exports == [bad.description, unlisted.description])
        let page = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 2)
        #expect(page.exports.map(\.id) == [records[2].export.id, good])
        #expect(page.unreadable == 1)
        let late = Fixture.epoch + .seconds(1000)
        #expect(try await ledger.expired(at: late, limit: 10) == [good, records[2].export.id])
        #expect(try await ledger.nextExpiry() == Fixture.epoch + .seconds(101))
        // Repaired, it is one like any other.
        try await ledger.database.write { database in
            let plan = #"{"needsSecrets":false,"source":{},"suggestedName":"n"}"#
            try database.execute(sql: Self.setPlan, arguments: [plan, bad.description])
        }
        #expect(try await ledger.record(bad) != nil)
        #expect(try await ledger.nextExpiry() == Fixture.epoch + .seconds(100))
    }
}
