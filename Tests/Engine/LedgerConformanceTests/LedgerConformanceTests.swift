import Exports
import Foundation
import GRDB
import Testing
import TestLedger

@testable import ExportLedger
@testable import LedgerConformance

@Suite struct LedgerConformanceTests {
    private let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "conformance-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    /// SQLite in files; a kill is a copy of them that is opened, a full disk a file that may not grow.
    private func harness(_ wrap: @escaping @Sendable (SQLiteLedger) -> any ExaminedLedger = { $0 }) -> LedgerHarness {
        let directory = directory
        @Sendable func path() -> String { directory.appending(path: "\(UUID().uuidString).sqlite").path }
        @Sendable func real(_ ledger: any ExaminedLedger) throws -> SQLiteLedger {
            try #require(ledger as? SQLiteLedger ?? (ledger as? FaultyLedger)?.ledger)
        }
        return LedgerHarness(
            makeLedger: { wrap(try SQLiteLedger(path: path())) },
            afterKill: { ledger in
                let (old, new) = (try real(ledger).path, path())
                for end in ["", "-wal"] { try FileManager.default.copyItem(atPath: old + end, toPath: new + end) }
                return try SQLiteLedger(path: new)
            },
            setFull: { ledger, isFull in
                try await real(ledger).database
                    .write { database in
                        let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
                        try database.execute(sql: "PRAGMA max_page_count = \(isFull ? pages : 1 << 30)")
                    }
            },
            damage: { ledger, statement in
                try await real(ledger).database.write { try $0.execute(sql: statement) }
            }
        )
    }

    @Test func theLedgerInAFileKeepsItsContract() async {
        let suite = LedgerConformance(harness())
        print("LedgerConformance: \(suite.names.count) cases")
        #expect(suite.names.count == LedgerConformance.cases.count)
        #expect(Set(suite.names).count == suite.names.count)
        #expect(await suite.run() == [])
        try? FileManager.default.removeItem(at: directory)
    }

    /// What the harness cannot do is left out, and nothing else.
    @Test func theLedgerKeepsItsContractWithoutKillsAndFaults() async {
        let suite = LedgerConformance(LedgerHarness(makeLedger: { try SQLiteLedger.temporary() }))
        #expect(suite.names.count == LedgerConformance.cases.count { $0.needs == .nothing })
        #expect(await suite.run() == [])
    }

    /// What is found is the faults', not the wrapper's.
    @Test func aWrapperWithoutAFaultPasses() async {
        #expect(await LedgerConformance(harness { FaultyLedger($0, nil) }).run() == [])
        try? FileManager.default.removeItem(at: directory)
    }

    @Test(arguments: LedgerFault.allCases) func everyFaultIsFound(fault: LedgerFault) async throws {
        #expect(LedgerConformance.cases.contains { $0.name == fault.foundBy })
        let findings = await LedgerConformance(harness { FaultyLedger($0, fault) }).run(only: fault.foundBy)
        #expect(!findings.isEmpty, "\(fault.rawValue) is not found")
        try? FileManager.default.removeItem(at: directory)
    }
}
