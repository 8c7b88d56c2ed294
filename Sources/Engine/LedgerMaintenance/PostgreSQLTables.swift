import Exports
import JSON
import PostgreSQL
import PostgreSQLLedger

/// The tables of a ledger in PostgreSQL that no replica works on: none can join as long as this object lives.
final class PostgreSQLTables: LedgerTarget {
    let name: String
    private let connection: PostgreSQLConnection

    /// Connects, keeps replicas out, and migrates the tables. Changes that have no number yet get theirs.
    ///
    /// Throws `StartupError` for `option` where that cannot be done, and where a source is no ledger.
    init(_ uri: String, option: String, isSource: Bool, _ random: Randomness) async throws {
        do {
            let settings = try Self.settings(uri)
            name = "\(settings)"
            connection = try PostgreSQLConnection(settings)
            if isSource { try PostgreSQLLedger.refuseEmpty(connection) }
            try PostgreSQLLedger.excludeReplicas(connection)
            if isSource { try PostgreSQLLedger.refuseUnfinishedCopy(connection) }
            let ledger = try await PostgreSQLLedger(settings, randomness: random)
            do {
                _ = try await ledger.lastSequence()
            } catch {
                await ledger.close()
                throw error
            }
            await ledger.close()
            try connection.execute("SET synchronous_commit = off")
        } catch let error as StartupError {
            throw StartupError(option, error.detail)
        } catch {
            throw StartupError(option, "The database cannot be used: \(error)")
        }
    }

    /// Settings with the patience of statements that read or change all rows.
    static func settings(_ uri: String) throws -> PostgreSQLSettings {
        var settings = try PostgreSQLSettings(uri: uri, password: nil)
        (settings.statementTimeout, settings.idleInTransactionTimeout) = (.zero, .zero)
        settings.answerTimeout = .seconds(6 * 3600)
        settings.applicationName = "export-gateway ledger"
        return settings
    }

    func close() { connection.close() }

    func count(of table: LedgerTable) throws -> Int64 { try naming { try table.count(connection) } }

    func read(_ table: LedgerTable, after key: RowKey?, into batch: inout RowBatch) throws {
        try naming { try table.read(connection, after: key, into: &batch) }
    }

    func lastNumbers() throws -> LastNumbers { try naming { try LastNumbers(connection) } }

    func lastKey(of table: LedgerTable) throws -> RowKey? {
        try naming {
            let rows = try connection.query(SQLQuery(SQLStatement(table.selectLastInPostgreSQL)))
            var batch = RowBatch()
            if let row = rows.first { batch.append(row, of: table) }
            return batch.lastKey(in: table)
        }
    }

    func copyRecord() throws -> CopyRecord? {
        try naming {
            guard try PostgreSQLLedger.exists(PostgreSQLLedger.unfinishedCopyTable, connection) else { return nil }
            return try connection.query("SELECT source, state FROM ledger_copy").first
                .map { CopyRecord(source: $0.text(0) ?? "", state: $0.text(1) ?? "") }
        }
    }

    func begin(_ record: CopyRecord) throws {
        try naming {
            try connection.transaction { connection in
                try connection.query("CREATE TABLE ledger_copy (source TEXT NOT NULL, state TEXT NOT NULL)")
                try connection.query(
                    SQLQuery(
                        "INSERT INTO ledger_copy (source, state) VALUES ($1, $2)",
                        [.text(record.source), .text(record.state)]
                    )
                )
            }
        }
    }

    func resume() throws {}

    func insert(_ batch: RowBatch, into table: LedgerTable) throws {
        let data = try table.binaryCopy(of: batch)
        do {
            let rows = try data.withUnsafeBytes { try connection.copy(table.copyToPostgreSQL, from: $0) }
            guard rows == batch.count else {
                throw MaintenanceError("\(name): \(rows) of \(batch.count) rows were stored")
            }
        } catch let error as PostgreSQLError where error.sqlState == "22021" {
            let place = batch.firstUnstorableText(in: table).map { " with the key \($0)" } ?? ""
            throw MaintenanceError(
                "A row of \(table.name)\(place) has a text that PostgreSQL cannot store: U+0000, or bytes that are no UTF-8. "
                    + "Repair it in the source, remove the copy, and begin again."
            )
        } catch let error as PostgreSQLError {
            throw Self.error(error, name)
        }
    }

    func complete(_ last: LastNumbers) throws {
        try naming {
            try last.set(connection)
            try connection.execute(
                """
                ANALYZE export, export_request, export_event, export_tombstone, idempotency, delivery, measurement,
                    webhook, webhook_message, audit_row
                """
            )
        }
    }

    func finish() throws {
        try naming {
            // The log is written in one order: with this commit, all before it are on the disk.
            try connection.execute("SET synchronous_commit = on")
            try connection.execute("DROP TABLE ledger_copy")
        }
    }

    private func naming<T>(_ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as PostgreSQLError {
            throw Self.error(error, name)
        }
    }

    static func error(_ error: PostgreSQLError, _ name: String) -> MaintenanceError {
        MaintenanceError(
            error.kind == .diskFull
                ? "\(name): the server's disk is full. Free space, and run the command again."
                : "\(name): \(error)"
        )
    }
}
