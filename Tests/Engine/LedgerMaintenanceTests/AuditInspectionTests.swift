import Audit
import ExportLedger
import Exports
import Foundation
import GRDB
import TestSupport
import Testing

@testable import LedgerMaintenance

/// The check of an audit trail in a ledger's file.
@Suite struct AuditInspectionTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("ledger.sqlite")
    }

    private func verify(_ heads: [AuditHead] = []) throws -> LedgerPlace.AuditReport {
        try LedgerPlace.file(path).verifyAudit(keys: AuditKeys([FilledLedger.auditKey]), heads: heads)
    }

    private func change(_ statement: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.write { try $0.execute(sql: statement) }
        try queue.close()
    }

    @Test func aTrailWhoseBeginningWasDeletedIsWhole() async throws {
        try await FilledLedger.make(path, exports: 4)
        let report = try verify()
        #expect(report.verification.isGood && report.unsealed == 1 && report.rejected == 1)
        #expect(report.verification.rows == 6 && report.verification.first?.sequence == 3)
        let last = try #require(report.verification.last)
        #expect(try verify([last]).verification.headsSeen == 1)
        // Another check of the ledger reads the same rows.
        #expect(try LedgerPlace.file(path).check().allSatisfy(\.isGood))
    }

    @Test(
        arguments: [
            ("UPDATE audit_row SET caller = 'mallory' WHERE sequence = 4", [AuditFinding.Kind.altered]),
            ("UPDATE audit_row SET details = NULL WHERE sequence = 4", [.altered]),
            ("UPDATE audit_row SET action = 'nothing' WHERE sequence = 4", [.unreadable, .missing]),
            ("UPDATE audit_row SET id = upper(id) WHERE sequence = 4", [.unreadable, .missing]),
            ("UPDATE audit_row SET time = -9223372036854775808 WHERE sequence = 4", [.unreadable, .missing]),
            ("UPDATE audit_row SET sequence = 9223372036854775807 WHERE sequence = 8", [.unreadable, .endMissing]),
            ("UPDATE audit_anchor SET time = -9223372036854775808", [.beginningMissing, .unreadable]),
            ("UPDATE audit_anchor SET newest = 0", [.forgedAnchor]),
            ("DELETE FROM audit_row WHERE sequence = 5", [.missing]),
            ("DELETE FROM audit_row WHERE sequence = 3", [.beginningMissing]),
            ("DELETE FROM audit_anchor", [.beginningMissing]),
            ("UPDATE audit_anchor SET time = time + 1", [.forgedAnchor]),
            ("DELETE FROM audit_row WHERE sequence > 6", [.endMissing]),
            ("DELETE FROM audit_row", [.endMissing]),
        ]
    )
    func whoeverChangesItIsFound(_ statement: String, _ kinds: [AuditFinding.Kind]) async throws {
        try await FilledLedger.make(path, exports: 4)
        let head = try #require(try verify().verification.last)
        try change(statement)
        #expect(try verify([head]).verification.findings.map(\.kind) == kinds)
    }

    @Test func aTrailWithoutARowAfterItsAnchorIsNotWhole() async throws {
        try await FilledLedger.make(path, exports: 4)
        try change("DELETE FROM audit_row")
        #expect(try verify().verification.findings.map(\.kind) == [.endMissing])
    }

    @Test func anEntryThatWasSealedTwiceIsFound() async throws {
        try await FilledLedger.make(path, exports: 4)
        try change(
            "DROP INDEX audit_row_by_id; "
                + "UPDATE audit_row SET id = (SELECT id FROM audit_row WHERE sequence = 4) WHERE sequence = 6"
        )
        #expect(try verify().verification.findings.map(\.kind) == [.altered, .doubled])
    }

    @Test func theOtherCheckFindsWhatNeedsNoKey() async throws {
        try await FilledLedger.make(path, exports: 4)
        try change("UPDATE audit_row SET previous = zeroblob(32) WHERE sequence = 5")
        let findings = try LedgerPlace.file(path).check().filter { !$0.isGood }
        #expect(findings.map(\.subject) == ["audit_row"] && findings[0].detail.contains(": 5"))
    }
}
