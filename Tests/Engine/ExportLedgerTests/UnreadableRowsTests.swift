@testable import ExportLedger
import Logging
import MetricsTestKit
import Testing

@Suite struct UnreadableRowsTests {
    private let metrics = TestMetrics()

    private func count(_ table: UnreadableRow.Table) throws -> Double? {
        try metrics.expectMeter("export_gateway_ledger_rows_unreadable", [("table", table.rawValue)]).lastValue
    }

    /// Whoever can write to its tables does not fill the memory.
    @Test func rowsOfTheAuditTrailAreCountedUpToABound() throws {
        let rows = UnreadableRows(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, metrics: metrics)
        for number in 1...3 {
            for _ in 0..<2 { rows.found(UnreadableRow(table: .audit, export: "sealed", id: "\(number)", column: "id")) }
        }
        #expect(try count(.audit) == 3)
        for number in 1...500 {
            rows.found(UnreadableRow(table: .audit, export: "unsealed", id: "\(number)", column: "id"))
        }
        #expect(try count(.audit) == Double(UnreadableRows.mostOfAudit))
        for number in 1...500 { rows.found(UnreadableRow(table: .export, export: "\(number)", column: "id")) }
        #expect(try count(.export) == 500 && rows.exports.count == 500)
    }
}
