import ExportLedger
import Exports
import Foundation
import GRDB
@testable import LedgerMaintenance
import TestSupport
import Testing

@Suite struct LedgerCopyTests {
    private let directory: TemporaryDirectory
    private let random = Randomness { .random(in: .min ... .max) }
    private var source: String { directory.file("source.sqlite") }
    private var target: String { directory.file("target.sqlite") }

    init() throws { directory = try TemporaryDirectory() }

    private func copy(report: (LedgerCopy.Step) throws -> Void = { _ in }) async throws -> [LedgerCopy.Comparison] {
        try await LedgerCopy.run(from: LedgerPlace(source), to: LedgerPlace(target), random: random, report: report)
    }

    private func startupError(_ body: () async throws -> Void) async -> StartupError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? StartupError
        }
    }

    @Test func everyRowOfEveryTableIsCopied() async throws {
        try await FilledLedger.make(source)
        let comparisons = try await copy()
        #expect(comparisons.map(\.table) == LedgerTable.all.map(\.name))
        #expect(comparisons.allSatisfy { $0.rows > 0 && $0.sourceDigest == $0.targetDigest })
        for table in LedgerTable.all {
            let (expected, found) = (try rows(of: table, in: source), try rows(of: table, in: target))
            #expect(expected == found)
            #expect(!expected.isEmpty)
        }
        #expect(try LedgerPlace(target).check().filter { !$0.isGood } == [])
    }

    @Test func aGatewayGoesOnWithTheCopy() async throws {
        try await FilledLedger.make(source)
        _ = try await copy()
        let (old, new) = (try SQLiteLedger(path: source), try SQLiteLedger(path: target))
        let (before, after) = (try await old.events(after: 0, limit: 1000), try await new.events(after: 0, limit: 1000))
        #expect(try await FilledLedger.claims(of: new) == FilledLedger.claims(of: old))
        #expect(before == after)
        for event in before {
            guard case .change(let change) = event else { continue }
            let record = try await new.record(change.exportID)
            #expect(try await old.record(change.exportID) == record)
        }
    }

    @Test func numbersGoOnAfterThoseOfRemovedRows() async throws {
        try await FilledLedger.make(source)
        do {
            let ledger = try SQLiteLedger(path: source)
            defer { ledger.close() }
            try await ledger.database.write { database in
                try database.execute(sql: "DELETE FROM export_event WHERE sequence > 50")
                try database.execute(sql: "DELETE FROM webhook_message WHERE number > 5")
            }
        }
        _ = try await copy()
        #expect(try number("SELECT seq FROM sqlite_sequence WHERE name = 'export_event'", in: target) > 50)
        #expect(try number("SELECT seq FROM sqlite_sequence WHERE name = 'webhook_message'", in: target) == 8)
    }

    /// Ends the copy after each batch in turn, and each time goes on.
    @Test func anInterruptedCopyGoesOn() async throws {
        try await FilledLedger.make(source)
        struct Ended: Error {}
        var (steps, ends) = (0, 0)
        while true {
            var before = 0
            do {
                _ = try await copy { _ in
                    before += 1
                    if before > steps { throw Ended() }
                }
                break
            } catch is Ended {
                steps += 1
                ends += 1
                let error = await startupError { _ = try SQLiteLedger(path: target) }
                #expect(error?.key == "ledger.path")
                #expect(error?.detail.contains("not finished") == true)
                #expect(try LedgerPlace(target).check().contains { $0.subject == "copy" && !$0.isGood })
            }
        }
        #expect(ends > LedgerTable.all.count)
        #expect(try LedgerPlace(target).check().filter { !$0.isGood } == [])
        #expect(await startupError { _ = try SQLiteLedger(path: target) } == nil)
    }

    @Test func aCopyOfSomethingElseIsRefused() async throws {
        try await FilledLedger.make(source)
        struct Ended: Error {}
        await #expect(throws: Ended.self) { try await copy { _ in throw Ended() } }
        do {
            let ledger = try SQLiteLedger(path: source)
            defer { ledger.close() }
            try await ledger.database.write { try $0.execute(sql: "DELETE FROM delivery") }
        }
        let error = await startupError { _ = try await copy() }
        #expect(error?.key == "--to")
        #expect(error?.detail.contains("was used since") == true)
    }

    @Test func aChangedRowIsFound() async throws {
        try await FilledLedger.make(source)
        struct Ended: Error {}
        await #expect(throws: Ended.self) { try await copy { if case .completing = $0 { throw Ended() } } }
        do {
            let ledger = try SQLiteLedger(path: source)
            defer { ledger.close() }
            try await ledger.database.write {
                try $0.execute(sql: "UPDATE export SET polls = 99 WHERE created_at = 1780000007000")
            }
        }
        await #expect {
            _ = try await copy()
        } throws: { error in
            "\(error)".contains("export is not equal") && "\(error)".contains("at the key ")
        }
        #expect(await startupError { _ = try SQLiteLedger(path: target) }?.detail.contains("not finished") == true)
    }

    @Test func onlyAnEmptyLedgerIsATarget() async throws {
        try await FilledLedger.make(source, exports: 2)
        try await FilledLedger.make(target, exports: 2)
        let error = await startupError { _ = try await copy() }
        #expect(error?.key == "--to")
        #expect(error?.detail.contains("not empty") == true)
    }

    @Test func aLedgerInUseIsNotCopied() async throws {
        try await FilledLedger.make(source, exports: 2)
        let ledger = try SQLiteLedger(path: source)
        #expect(await startupError { _ = try await copy() }?.key == "--from")
        withExtendedLifetime(ledger) {}
    }

    @Test func aSourceThatDoesNotExistIsNotMade() async {
        #expect(await startupError { _ = try await copy() }?.key == "--from")
        #expect(!FileManager.default.fileExists(atPath: source))
    }

    @Test func anEmptyLedgerCanBeCopied() async throws {
        try SQLiteLedger(path: source).close()
        #expect(try await copy().allSatisfy { $0.rows == 0 })
    }

    /// A migration that adds a column or a table has to add it to ``LedgerTable`` too.
    @Test func theTablesAreThoseOfTheSchema() throws {
        let database = try DatabaseQueue()
        try SQLiteLedger.migrate(database)
        try database.read { database in
            let names = try String.fetchSet(
                database,
                sql:
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'grdb_%'"
            )
            #expect(names == Set(LedgerTable.all.map(\.name)))
            for table in LedgerTable.all {
                let columns = try database.columns(in: table.name)
                // The number by which exports and requests are joined is not copied.
                let joined = table == .exports || table == .requests
                let names = Set(columns.map(\.name)).union(joined ? ["id"] : []).subtracting(joined ? ["key"] : [])
                #expect(names == Set(table.columns.map(\.name)))
                for column in columns where !joined || column.name != "key" {
                    let kind = table.columns.first { $0.name == column.name }?.kind
                    let type = kind == .text ? "TEXT" : kind == .bytes ? "BLOB" : "INTEGER"
                    #expect(column.type == type, "\(table.name).\(column.name)")
                }
                if !joined { #expect(try Set(database.primaryKey(table.name).columns) == Set(table.key.map(\.name))) }
            }
        }
    }

    private func rows(of table: LedgerTable, in path: String) throws -> [Row] {
        try DatabaseQueue(path: path).read { try Row.fetchAll($0, sql: "SELECT * FROM \(table.name) ORDER BY 1, 2") }
    }

    private func number(_ sql: String, in path: String) throws -> Int64 {
        try DatabaseQueue(path: path).read { try Int64.fetchOne($0, sql: sql) ?? 0 }
    }
}
