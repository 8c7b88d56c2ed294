public import Audit
public import ExportLedger
import Exports
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

    public func sealAudit(
        after number: Int64,
        limit: Int,
        _ seal: @escaping AuditSeal
    ) async throws -> AuditSealed? {
        // Most calls find nothing, and take no lock.
        let hasUnsealed = SQLQuery(AuditStatements.hasUnsealed, [.integer(number)])
        guard limit > 0, try await read({ try $0.query(hasUnsealed).first?.boolean(0) == true }) else { return nil }
        let (sealed, leftOut) = try await writeAlone { connection in
            try connection.transaction { connection -> (AuditSealed?, [UnreadableRow]) in
                guard try Self.locksAudit(connection) else { return (nil, []) }
                let found = try connection.query(
                    SQLQuery(AuditStatements.unsealed, [.integer(number), .integer(Int64(limit))])
                )
                let unsealed = try UnsealedEntries(found, limit: limit)
                var sealed = AuditSealed(batch: AuditChain.Batch(), next: unsealed.next)
                guard !unsealed.entries.isEmpty else { return (sealed, unsealed.unreadable) }
                let answers = try connection.pipeline([
                    SQLQuery(AuditStatements.known, [.textArray(unsealed.entries.map(\.id.description))]),
                    SQLQuery(AuditStatements.head), SQLQuery(AuditStatements.first),
                    SQLQuery(AuditStatements.anchor),
                ])
                let known = Set(answers[0].compactMap { ExportID($0[0] as String) })
                let ends = AuditEnds(
                    head: try Self.head(answers[1]),
                    first: answers[2].first.map { $0[0] as Int64 },
                    anchor: answers[3].first
                )
                sealed.batch = seal(ends, unsealed.entries, known)
                let inserts = try sealed.batch.rows.map { try AuditStatements.insert($0) }
                let (ended, rejected) = unsealed.numbers(sealed.batch.fates)
                let putAside = rejected.isEmpty ? [] : [AuditStatements.putAside(rejected)]
                _ = try connection.pipeline(
                    inserts + putAside + [SQLQuery(AuditStatements.deleteEntries, [.integerArray(ended)])]
                )
                return (sealed, unsealed.unreadable)
            }
        }
        leftOut.forEach(unreadable.found)
        return sealed
    }

    public func trimAudit(limit: Int, _ trim: @escaping AuditTrim) async throws -> AuditTrimOutcome {
        guard limit > 0, let seen = try await read({ try Self.oldest(limit, $0) }) else { return .nothing }
        // Most calls find nothing, and take no lock. What is deleted, and what is refused, is decided under it.
        switch trim(seen) {
        case .nothing: return .nothing
        case .undecided: return .undecided
        case .refused, .deletion: break
        }
        let circumstances = SQLQuery(RetentionStatements.circumstances, [.integer(self.time.now().milliseconds)])
        return try await writeAlone { connection in
            try connection.transaction { connection -> AuditTrimOutcome in
                // Throws where the clock is ahead: nothing is deleted then.
                _ = try PostgreSQLPurge.findsOlderReplica(connection.query(circumstances)[0])
                guard try Self.locksAudit(connection) else { return .locked }
                guard let oldest = try Self.oldest(limit, connection) else { return .nothing }
                switch trim(oldest) {
                case .nothing: return .nothing
                case .undecided: return .undecided
                case .refused(let finding): return .refused(finding)
                case .deletion(let deletion):
                    let inserts = try deletion.rows.map { try AuditStatements.insert($0) }
                    _ = try connection.pipeline(
                        inserts + [
                            SQLQuery(AuditStatements.deleteRows, [.integer(deletion.last)]),
                            AuditStatements.store(deletion.anchor),
                        ]
                    )
                    return .deleted(deletion.count, deletion.rows)
                }
            }
        }
    }

    /// Nil where there are no rows.
    private static func oldest(_ limit: Int, _ connection: PostgreSQLConnection) throws -> AuditOldest? {
        let answers = try connection.pipeline([
            SQLQuery(AuditStatements.head), SQLQuery(AuditStatements.anchor),
            SQLQuery(AuditStatements.oldest, [.integer(Int64(limit))]),
        ])
        guard let head = try Self.head(answers[0]) else { return nil }
        return try AuditOldest(answers[2], head: head, anchor: try Self.anchor(answers[1]))
    }

    private static func head(_ rows: SQLRows) throws -> AuditHead? { try rows.first.map { try AuditHead.read($0) } }

    private static func anchor(_ rows: SQLRows) throws -> AuditAnchor? {
        try rows.first.map { try AuditAnchor.read($0) }
    }

    /// Whether this transaction is the one that appends to the chain.
    private static func locksAudit(_ connection: PostgreSQLConnection) throws -> Bool {
        try connection.query(SQLQuery(AuditStatements.lock)).first?.boolean(0) == true
    }

    public func auditHead() async throws -> AuditHead? {
        try await read { try Self.head($0.query(SQLQuery(AuditStatements.head))) }
    }

    public func auditAnchor() async throws -> AuditAnchor? {
        try await read { try Self.anchor($0.query(SQLQuery(AuditStatements.anchor))) }
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
        let times = AuditBounds.times
        let query = SQLQuery(
            AuditStatements.backlog,
            [.integer(times.lowerBound.milliseconds), .integer(times.upperBound.milliseconds)]
        )
        return try await read { connection in
            let row = try connection.query(query).first
            return AuditBacklog(count: row.map { $0[0] } ?? 0, oldest: row?.time(1))
        }
    }
}
