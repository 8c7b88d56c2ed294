public import Audit
import Exports
import GRDB

extension SQLiteLedger: AuditStore {
    public func append(_ entries: [AuditEntry]) async throws {
        guard !entries.isEmpty else { return }
        try await write { database in for entry in entries { try entry.insert(in: database) } }
    }

    public func sealAudit(
        after number: Int64,
        limit: Int,
        _ seal: @escaping AuditSeal
    ) async throws -> AuditSealed? {
        // Most calls find nothing, and keep no writer waiting.
        guard limit > 0, try await read({ try Self.hasUnsealed(after: number, in: $0) }) else { return nil }
        let (sealed, leftOut) = try await writeAlone { database -> (AuditSealed, [UnreadableRow]) in
            let found = try Row.fetchAll(
                database.cachedStatement(sql: Self.selectUnsealed),
                arguments: [number, limit]
            )
            let unsealed = try UnsealedEntries(found.map { SQLiteRow(row: $0) }, limit: limit)
            var sealed = AuditSealed(batch: AuditChain.Batch(), next: unsealed.next)
            guard !unsealed.entries.isEmpty else { return (sealed, unsealed.unreadable) }
            let isSealed = try database.cachedStatement(sql: Self.isSealed)
            let known = try unsealed.entries.map(\.id)
                .filter { try Bool.fetchOne(isSealed, arguments: [$0.description]) ?? false }
            sealed.batch = seal(try Self.auditEnds(in: database), unsealed.entries, Set(known))
            try Self.insert(sealed.batch.rows, in: database)
            let (ended, rejected) = unsealed.numbers(sealed.batch.fates)
            try Self.putAside(rejected, in: database)
            let delete = try database.cachedStatement(sql: "DELETE FROM audit_pending WHERE number = ?")
            for number in ended { try delete.execute(arguments: [number]) }
            return (sealed, unsealed.unreadable)
        }
        leftOut.forEach(unreadable.found)
        return sealed
    }

    private static func putAside(_ numbers: [Int64], in database: Database) throws {
        guard !numbers.isEmpty else { return }
        let stored = try Int.fetchOne(database, sql: "SELECT count(*) FROM audit_rejected") ?? 0
        let statement = try database.cachedStatement(sql: insertRejected)
        for number in numbers.prefix(max(0, AuditRejected.most - stored)) {
            try statement.execute(arguments: [number])
        }
    }

    public func trimAudit(limit: Int, _ trim: @escaping AuditTrim) async throws -> AuditTrimOutcome {
        guard limit > 0, let seen = try await read({ try Self.oldest(limit, in: $0) }) else { return .nothing }
        // Most calls find nothing, and keep no writer waiting.
        switch trim(seen) {
        case .nothing: return .nothing
        case .undecided: return .undecided
        case .refused, .deletion: break
        }
        return try await writeAlone { database -> AuditTrimOutcome in
            guard let oldest = try Self.oldest(limit, in: database) else { return .nothing }
            switch trim(oldest) {
            case .nothing: return .nothing
            case .undecided: return .undecided
            case .refused(let finding): return .refused(finding)
            case .deletion(let deletion):
                try Self.insert(deletion.rows, in: database)
                try database.execute(sql: "DELETE FROM audit_row WHERE sequence <= ?", arguments: [deletion.last])
                try database.cachedStatement(sql: Self.storeAnchor)
                    .execute(arguments: StatementArguments(deletion.anchor.values.map(\.databaseValue)))
                return .deleted(deletion.count, deletion.rows)
            }
        }
    }

    /// Nil where there are no rows.
    private static func oldest(_ limit: Int, in database: Database) throws -> AuditOldest? {
        guard let head = try auditHead(in: database) else { return nil }
        let rows = try Row.fetchAll(
            database.cachedStatement(sql: "\(selectRows) ORDER BY sequence LIMIT ?"),
            arguments: [limit]
        )
        return try AuditOldest(
            rows.map { SQLiteRow(row: $0) },
            head: head,
            anchor: try auditAnchor(in: database)
        )
    }

    public func auditHead() async throws -> AuditHead? { try await read(Self.auditHead) }

    public func auditAnchor() async throws -> AuditAnchor? { try await read(Self.auditAnchor) }

    private static func auditAnchor(in database: Database) throws -> AuditAnchor? {
        try Row.fetchOne(database, sql: selectAnchor).map { try AuditAnchor.read(SQLiteRow(row: $0)) }
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
                    SELECT (SELECT count(*) FROM audit_pending),
                        (SELECT time FROM audit_pending WHERE time BETWEEN ? AND ? ORDER BY number LIMIT 1)
                    """,
                arguments: [
                    AuditBounds.times.lowerBound.milliseconds, AuditBounds.times.upperBound.milliseconds,
                ]
            )
            return AuditBacklog(
                count: row?[0] ?? 0,
                oldest: (row?[1] as Int64?).map { Timestamp(milliseconds: $0) }
            )
        }
    }

    private static func hasUnsealed(after number: Int64, in database: Database) throws -> Bool {
        let statement = "SELECT EXISTS (SELECT 1 FROM audit_pending WHERE number > ?)"
        return try Bool.fetchOne(database, sql: statement, arguments: [number]) ?? false
    }

    private static func auditHead(in database: Database) throws -> AuditHead? {
        try Row.fetchOne(
            database,
            sql: "SELECT \(AuditHead.names) FROM audit_row ORDER BY sequence DESC LIMIT 1"
        )
        .map { try AuditHead.read(SQLiteRow(row: $0)) }
    }

    private static func auditEnds(in database: Database) throws -> AuditEnds {
        AuditEnds(
            head: try auditHead(in: database),
            first: try Int64.fetchOne(database, sql: "SELECT sequence FROM audit_row ORDER BY sequence LIMIT 1"),
            anchor: try Row.fetchOne(database, sql: selectAnchor).map { SQLiteRow(row: $0) }
        )
    }

    private static func insert(_ rows: [AuditRow], in database: Database) throws {
        let insert = try database.cachedStatement(sql: insertRow)
        for row in rows { try insert.execute(arguments: StatementArguments(row.values.map(\.databaseValue))) }
    }

    // MARK: Statements

    private static let selectUnsealed = """
        SELECT number, \(AuditEntry.pendingColumns.joined(separator: ", ")) FROM audit_pending
            WHERE number > ? ORDER BY number LIMIT ?
        """
    private static let insertRejected = """
        INSERT OR IGNORE INTO audit_rejected (number, \(AuditEntry.pendingColumns.joined(separator: ", ")))
            SELECT number, \(AuditEntry.pendingColumns.joined(separator: ", ")) FROM audit_pending WHERE number = ?
        """
    private static let selectAnchor = "SELECT \(AuditAnchor.names) FROM audit_anchor"
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
