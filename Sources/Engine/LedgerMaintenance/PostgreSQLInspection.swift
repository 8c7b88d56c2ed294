import ExportLedger
import Exports
import PostgreSQL
import PostgreSQLLedger

/// One state of a ledger in PostgreSQL that is only read. Gateways may work on it meanwhile.
final class PostgreSQLInspection: InspectedLedger {
    let name: String
    private let connection: PostgreSQLConnection

    private init(_ name: String, _ connection: PostgreSQLConnection) {
        (self.name, self.connection) = (name, connection)
    }

    /// Calls `body` with the ledger in the database. Throws `StartupError` for `ledger` where there is none of this version.
    static func run<T>(_ uri: String, _ body: (PostgreSQLInspection) throws -> T) throws -> T {
        do {
            let settings = try PostgreSQLTables.settings(uri)
            let connection = try PostgreSQLConnection(settings)
            defer { connection.close() }
            do {
                try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                try PostgreSQLLedger.refuseOtherSchema(connection)
                return try body(PostgreSQLInspection("\(settings)", connection))
            } catch let error as PostgreSQLError {
                throw PostgreSQLTables.error(error, "\(settings)")
            }
        } catch let error as PostgreSQLError {
            throw StartupError("ledger", "The database cannot be used: \(error)")
        } catch let error as StartupError {
            throw StartupError("ledger", error.detail)
        }
    }

    /// The server's version, and the indexes that it does not use.
    func integrity() throws -> [LedgerFinding] {
        let encoding = try texts(
            "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
        )
        var findings = [
            LedgerFinding(
                subject: "database",
                isGood: encoding == ["UTF8"],
                detail: "PostgreSQL \(connection.serverVersion / 10_000), encoding \(encoding.joined())"
            )
        ]
        let invalid = try texts(
            """
            SELECT indexrelid::regclass::text FROM pg_index
            WHERE NOT indisvalid AND indrelid IN (\(LedgerTable.all.map { "'\($0.name)'::regclass" }.joined(separator: ", ")))
            ORDER BY 1
            """
        )
        if !invalid.isEmpty {
            let names = invalid.joined(separator: ", ")
            findings.append(LedgerFinding(subject: "schema", isGood: false, detail: "indexes are not valid: \(names)"))
        }
        return findings
    }

    func count(of table: LedgerTable) throws -> Int64 { try table.count(connection) }

    func read(_ table: LedgerTable, after key: RowKey?, into batch: inout RowBatch) throws {
        try table.read(connection, after: key, into: &batch)
    }

    func lastNumbers() throws -> LastNumbers { try LastNumbers(connection) }

    func isUnfinishedCopy() throws -> Bool {
        try PostgreSQLLedger.exists(PostgreSQLLedger.unfinishedCopyTable, connection)
    }

    func number(_ sql: String) throws -> Int64 {
        try connection.query(SQLQuery(SQLStatement(sql))).first?.integer(0) ?? 0
    }

    func texts(_ sql: String) throws -> [String] {
        try connection.query(SQLQuery(SQLStatement(sql))).compactMap { $0.text(0) }
    }

    var rules: [LedgerRule] {
        // What is pending gets its number after all that have one.
        let changes = """
            SELECT sequence, export_id, revision FROM export_event UNION ALL
            SELECT (SELECT sequence FROM export_event_last) + key, export_id, revision FROM export_event_pending
            """
        return LedgerRule.all(requestKey: "id", changes: changes) + [
            LedgerRule(
                table: "export_event",
                meaning: "changes with a number above the last that was given out",
                violations: """
                    SELECT CAST(sequence AS TEXT) FROM export_event
                    WHERE sequence > (SELECT sequence FROM export_event_last)
                    """
            )
        ]
    }
}
