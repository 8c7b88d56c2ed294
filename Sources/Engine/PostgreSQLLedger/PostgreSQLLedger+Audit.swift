public import Audit
public import ExportLedger
public import Exports
import PostgreSQL

extension PostgreSQLLedger: AuditStore {
    public func append(_ entries: [AuditEntry]) async throws {
        guard !entries.isEmpty else { return }
        let queries = try entries.map { try AuditStatements.insert($0) }
        try await write(.change, WriteNeeds()) { transaction, _ in
            for query in queries { transaction.stage(query) }
            return { _ in }
        }
    }

    public func sealAudit(limit: Int, _ seal: @escaping AuditSeal) async throws -> AuditChain.Batch? {
        // Most calls find nothing, and take no lock.
        guard limit > 0,
            try await read({ try $0.query(SQLQuery(AuditStatements.hasUnsealed)).first?.boolean(0) == true })
        else { return nil }
        let (batch, leftOut) = try await writeAlone { connection in
            try connection.transaction { connection -> (AuditChain.Batch?, [UnreadableRow]) in
                guard try Self.locksAudit(connection) else { return (nil, []) }
                let found = try connection.query(SQLQuery(AuditStatements.unsealed, [.integer(Int64(limit))]))
                var (numbers, entries, leftOut) = ([Int64](), [AuditEntry](), [UnreadableRow]())
                for row in found {
                    do {
                        entries.append(try AuditEntry.read(row))
                        numbers.append(row[0])
                    } catch let error as LedgerError where error.row != nil {
                        if let row = error.row { leftOut.append(row) }
                    }
                }
                guard !entries.isEmpty else { return (nil, leftOut) }
                let answers = try connection.pipeline([
                    SQLQuery(AuditStatements.known, [.textArray(entries.map(\.id.description))]),
                    SQLQuery(AuditStatements.head),
                ])
                let known = Set(answers[0].compactMap { ExportID($0[0] as String) })
                let batch = seal(answers[1].first.map { AuditHead($0) }, entries, known)
                let inserts = try batch.rows.map { try AuditStatements.insert($0) }
                _ = try connection.pipeline(
                    inserts + [SQLQuery(AuditStatements.deleteEntries, [.integerArray(numbers)])]
                )
                return (batch, leftOut)
            }
        }
        leftOut.forEach(unreadable.found)
        return batch
    }

    public func trimAudit(before time: Timestamp, limit: Int, _ trim: @escaping AuditTrim) async throws -> Int {
        let mayTrim = SQLQuery(AuditStatements.mayTrim, [.integer(time.milliseconds)])
        guard limit > 0, try await read({ try $0.query(mayTrim).first?.boolean(0) == true }) else { return 0 }
        let circumstances = SQLQuery(RetentionStatements.circumstances, [.integer(self.time.now().milliseconds)])
        return try await writeAlone { connection in
            try connection.transaction { connection -> Int in
                // Throws where the clock is ahead: nothing is deleted then.
                _ = try PostgreSQLPurge.findsOlderReplica(connection.query(circumstances)[0])
                guard try Self.locksAudit(connection),
                    let head = try connection.query(SQLQuery(AuditStatements.head)).first.map({ AuditHead($0) })
                else { return 0 }
                var last: AuditRow?
                var count = 0
                for found in try connection.query(SQLQuery(AuditStatements.oldest, [.integer(Int64(limit))])) {
                    guard let row = try? AuditRow.read(found), row.entry.time < time, row.sequence < head.sequence
                    else { break }
                    (last, count) = (row, count + 1)
                }
                guard let last else { return 0 }
                let (batch, anchor) = trim(head, last)
                let inserts = try batch.rows.map { try AuditStatements.insert($0) }
                _ = try connection.pipeline(
                    inserts + [
                        SQLQuery(AuditStatements.deleteRows, [.integer(last.sequence)]), AuditStatements.store(anchor),
                    ]
                )
                return count
            }
        }
    }

    /// Whether this transaction is the one that appends to the chain.
    private static func locksAudit(_ connection: PostgreSQLConnection) throws -> Bool {
        try connection.query(SQLQuery(AuditStatements.lock)).first?.boolean(0) == true
    }

    public func auditHead() async throws -> AuditHead? {
        try await read { try $0.query(SQLQuery(AuditStatements.head)).first.map { AuditHead($0) } }
    }

    public func auditAnchor() async throws -> AuditAnchor? {
        try await read { try $0.query(SQLQuery(AuditStatements.anchor)).first.map { AuditAnchor.read($0) } }
    }

    public func auditRows(after sequence: Int64, limit: Int) async throws -> AuditRows {
        let limit = max(0, limit)
        return try await auditRows(
            SQLQuery(AuditStatements.rowsAfter, [.integer(sequence), .integer(Int64(limit))]),
            limit
        )
    }

    public func auditRows(
        matching filter: AuditFilter,
        before place: AuditPlace?,
        limit: Int
    ) async throws -> AuditRows {
        let limit = max(0, limit)
        let search = AuditSearch(filter, before: place) { "$\($0)" }
        var last: AuditPlace?
        if let query = AuditStatements.lastLooked(search) {
            last = try await read { connection -> AuditPlace? in
                guard let row = try connection.query(query).first else { return nil }
                return AuditPlace(time: Timestamp(milliseconds: row[0]), sequence: row[1])
            }
        }
        var rows = try await auditRows(AuditStatements.rows(search, to: last, limit: limit), limit)
        rows.end(at: last)
        return rows
    }

    private func auditRows(_ query: SQLQuery, _ limit: Int) async throws -> AuditRows {
        let unreadable = unreadable
        return try await read { connection in
            try AuditRows(try connection.query(query), limit: limit) { unreadable.found($0) }
        }
    }

    public func auditBacklog() async throws -> AuditBacklog {
        try await read { connection in
            let row = try connection.query(SQLQuery(AuditStatements.backlog)).first
            return AuditBacklog(count: row.map { $0[0] } ?? 0, oldest: row?.time(1))
        }
    }
}
