public import Audit
public import Exports
import GRDB

extension SQLiteLedger: AuditStore {
    public func append(_ entries: [AuditEntry]) async throws {
        guard !entries.isEmpty else { return }
        try await write { database in for entry in entries { try entry.insert(in: database) } }
    }

    public func sealAudit(limit: Int, _ seal: @escaping AuditSeal) async throws -> AuditChain.Batch? {
        // Most calls find nothing, and keep no writer waiting.
        guard limit > 0, try await read(Self.hasUnsealed) else { return nil }
        let (batch, leftOut) = try await writeAlone { database -> (AuditChain.Batch?, [UnreadableRow]) in
            let found = try Row.fetchAll(database.cachedStatement(sql: Self.selectUnsealed), arguments: [limit])
            var (numbers, entries, leftOut) = ([Int64](), [AuditEntry](), [UnreadableRow]())
            for row in found {
                do {
                    entries.append(try AuditEntry.read(SQLiteRow(row: row)))
                    numbers.append(row[0])
                } catch let error as LedgerError where error.row != nil {
                    if let row = error.row { leftOut.append(row) }
                }
            }
            guard !entries.isEmpty else { return (nil, leftOut) }
            let isSealed = try database.cachedStatement(sql: Self.isSealed)
            let known = try entries.map(\.id)
                .filter { try Bool.fetchOne(isSealed, arguments: [$0.description]) ?? false }
            let batch = seal(try Self.auditHead(in: database), entries, Set(known))
            try Self.insert(batch.rows, in: database)
            let delete = try database.cachedStatement(sql: "DELETE FROM audit_pending WHERE number = ?")
            for number in numbers { try delete.execute(arguments: [number]) }
            return (batch, leftOut)
        }
        leftOut.forEach(unreadable.found)
        return batch
    }

    public func trimAudit(before time: Timestamp, limit: Int, _ trim: @escaping AuditTrim) async throws -> Int {
        guard limit > 0, try await read({ try Self.mayTrim(before: time, in: $0) }) else { return 0 }
        return try await writeAlone { database in
            guard let head = try Self.auditHead(in: database) else { return 0 }
            let oldest = try Row.fetchCursor(
                database.cachedStatement(sql: "\(Self.selectRows) ORDER BY sequence LIMIT ?"),
                arguments: [limit]
            )
            var last: AuditRow?
            var count = 0
            while let found = try oldest.next() {
                guard let row = try? AuditRow.read(SQLiteRow(row: found)), row.entry.time < time,
                    row.sequence < head.sequence
                else { break }
                (last, count) = (row, count + 1)
            }
            guard let last else { return 0 }
            let (batch, anchor) = trim(head, last)
            try Self.insert(batch.rows, in: database)
            try database.execute(sql: "DELETE FROM audit_row WHERE sequence <= ?", arguments: [last.sequence])
            try database.cachedStatement(sql: Self.storeAnchor)
                .execute(arguments: StatementArguments(anchor.values.map(\.databaseValue)))
            return count
        }
    }

    public func auditHead() async throws -> AuditHead? { try await read(Self.auditHead) }

    public func auditAnchor() async throws -> AuditAnchor? {
        try await read { database in
            try Row.fetchOne(database, sql: "SELECT \(AuditAnchor.names) FROM audit_anchor")
                .map { AuditAnchor.read(SQLiteRow(row: $0)) }
        }
    }

    public func auditRows(after sequence: Int64, limit: Int) async throws -> AuditRows {
        try await auditRows("WHERE sequence > ?1 ORDER BY sequence LIMIT ?2", [.integer(sequence)], limit)
    }

    public func auditRows(
        matching filter: AuditFilter,
        before place: AuditPlace?,
        limit: Int
    ) async throws -> AuditRows {
        let search = AuditSearch(filter, before: place) { "?\($0)" }
        let last = try await lastLooked(search)
        let (range, values, next) = search.looked(to: last)
        let condition = [range, search.rest].compactMap { $0 }.joined(separator: " AND ")
        var rows = try await auditRows(
            "INDEXED BY \(search.index) WHERE \(condition) \(Self.newestFirst) LIMIT \(next)",
            values,
            limit
        )
        rows.end(at: last)
        return rows
    }

    /// The last row that a page looks at; nil where there is none after it, and where all that are found match.
    private func lastLooked(_ search: AuditSearch) async throws -> AuditPlace? {
        guard search.rest != nil else { return nil }
        let rows = "audit_row INDEXED BY \(search.index) WHERE \(search.range) \(Self.newestFirst)"
        return try await read { database in
            try Row.fetchOne(
                database,
                sql: "SELECT time, sequence FROM \(rows) LIMIT 1 OFFSET \(AuditSearch.mostLooked - 1)",
                arguments: StatementArguments(search.rangeValues.map(\.databaseValue))
            )
            .map { AuditPlace(time: Timestamp(milliseconds: $0[0] as Int64), sequence: $0[1] as Int64) }
        }
    }

    private func auditRows(_ condition: String, _ values: [StoredValue], _ limit: Int) async throws -> AuditRows {
        let limit = max(0, limit)
        let (rows, leftOut) = try await read { database -> (AuditRows, [UnreadableRow]) in
            let arguments = StatementArguments(values.map(\.databaseValue) + [limit.databaseValue])
            let found = try Row.fetchAll(database, sql: "\(Self.selectRows) \(condition)", arguments: arguments)
            var leftOut: [UnreadableRow] = []
            let rows = try AuditRows(found.map { SQLiteRow(row: $0) }, limit: limit) { leftOut.append($0) }
            return (rows, leftOut)
        }
        leftOut.forEach(unreadable.found)
        return rows
    }

    public func auditBacklog() async throws -> AuditBacklog {
        try await read { database in
            let row = try Row.fetchOne(
                database,
                sql: """
                    SELECT (SELECT count(*) FROM audit_pending), (SELECT time FROM audit_pending ORDER BY number LIMIT 1)
                    """
            )
            return AuditBacklog(
                count: row?[0] ?? 0,
                oldest: (row?[1] as Int64?).map { Timestamp(milliseconds: $0) }
            )
        }
    }

    private static func hasUnsealed(_ database: Database) throws -> Bool {
        try Bool.fetchOne(database, sql: "SELECT EXISTS (SELECT 1 FROM audit_pending)") ?? false
    }

    private static func mayTrim(before time: Timestamp, in database: Database) throws -> Bool {
        let oldest = "SELECT time FROM audit_row ORDER BY sequence LIMIT 1"
        return try Int64.fetchOne(database, sql: oldest).map { $0 < time.milliseconds } ?? false
    }

    /// The end of the chain. Of its row only what the next one needs is read, so that a row which cannot be read ends no chain.
    private static func auditHead(in database: Database) throws -> AuditHead? {
        try Row.fetchOne(
            database,
            sql: "SELECT sequence, code, key_id, time FROM audit_row ORDER BY sequence DESC LIMIT 1"
        )
        .map { row in
            let row = SQLiteRow(row: row)
            return AuditHead(
                sequence: row[0],
                code: row[1],
                keyID: row[2],
                time: Timestamp(milliseconds: row[3])
            )
        }
    }

    private static func insert(_ rows: [AuditRow], in database: Database) throws {
        let insert = try database.cachedStatement(sql: insertRow)
        for row in rows { try insert.execute(arguments: StatementArguments(row.values.map(\.databaseValue))) }
    }

    // MARK: Statements

    private static let selectUnsealed = """
        SELECT number, \(AuditEntry.pendingColumns.joined(separator: ", ")) FROM audit_pending ORDER BY number LIMIT ?
        """
    private static let isSealed = "SELECT EXISTS (SELECT 1 FROM audit_row WHERE id = ?)"
    private static let selectRows = "SELECT \(AuditRow.names) FROM audit_row"
    private static let newestFirst = "ORDER BY time DESC, sequence DESC"
    private static let insertRow = """
        INSERT INTO audit_row (\(AuditRow.names)) VALUES (\(AuditRow.columns.map { _ in "?" }.joined(separator: ", ")))
        """
    private static let storeAnchor = """
        INSERT INTO audit_anchor (\(AuditAnchor.names))
            VALUES (\(AuditAnchor.columns.map { _ in "?" }.joined(separator: ", ")))
        ON CONFLICT (number) DO UPDATE
            SET \(AuditAnchor.columns.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
        """
}

extension AuditEntry {
    private static let insert = """
        INSERT INTO audit_pending (\(pendingColumns.joined(separator: ", ")))
            VALUES (\(pendingColumns.map { _ in "?" }.joined(separator: ", ")))
        """

    /// Stores the entry in the open transaction. It is sealed later.
    func insert(in database: Database) throws {
        try database.cachedStatement(sql: Self.insert)
            .execute(arguments: StatementArguments(pendingValues.map(\.databaseValue)))
    }
}
