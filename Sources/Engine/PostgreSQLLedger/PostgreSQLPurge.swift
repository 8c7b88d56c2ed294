import ExportLedger
import Exports
import PostgreSQL

/// Purges exports in a transaction that has just begun. See ``RetentionStatements`` about its locks.
struct PostgreSQLPurge {
    /// What stands in the way of locked exports, and how many deliveries each has.
    struct Findings {
        fileprivate var ofAll: PurgeObstacle?
        fileprivate var obstacles: [String: PurgeObstacle] = [:]
        fileprivate var deliveries: [String: Int] = [:]

        func obstacle(_ record: LedgerRecord) -> PurgeObstacle? {
            record.purgeObstacle ?? ofAll ?? obstacles[record.export.id.description]
        }

        /// Counted up to a limit.
        func deliveries(of id: ExportID) -> Int { deliveries[id.description] ?? 0 }
    }

    /// The clock of a replica may be ahead of the server's by so many milliseconds.
    private static let mostAhead: Int64 = 60_000

    /// How long it may take to delete what belongs to an export with more deliveries than a batch has.
    private static let patience = Duration.seconds(300)

    let connection: PostgreSQLConnection
    let now: Timestamp
    let claimsSince: Timestamp
    let audit: PurgeAudit?

    /// Whether a live replica knows no tombstones. Throws `LedgerError` (`unavailable`) where the clock is ahead.
    static func findsOlderReplica(_ circumstances: SQLRow) throws -> Bool {
        guard let ahead = circumstances.integer(0), ahead <= Self.mostAhead else {
            throw LedgerError(
                .unavailable,
                "the clock of this replica is ahead of the database server's: nothing is deleted"
            )
        }
        return circumstances.boolean(1) != false
    }

    /// Locks and reads those of these exports that no other transaction works on.
    func lock(_ ids: [ExportID]) throws -> [ExportID: SQLRow] {
        let rows = try connection.query(
            SQLQuery(RetentionStatements.lock, [.textArray(ids.map(\.description).sorted())])
        )
        return Dictionary(rows.compactMap { row in ExportID(row[.id] as String).map { ($0, row) } }) { first, _ in first
        }
    }

    /// Looks for obstacles. Only after the exports were locked: what comes later then waits for this transaction.
    func examine(_ records: [LedgerRecord]) throws -> Findings {
        let ids = SQLValue.textArray(records.map(\.export.id.description))
        let created = records.map(\.export).filter { $0.createdAt >= claimsSince }
        let most = Int64(PurgeLimits.unreadChanges + 1)
        let answers = try connection.pipeline([
            SQLQuery(RetentionStatements.circumstances, [.integer(now.milliseconds)]),
            SQLQuery(RetentionStatements.unread, [.integer(most)]),
            SQLQuery(
                RetentionStatements.claimed,
                [.textArray(created.map(\.id.description)), .integerArray(created.map(\.createdAt.milliseconds))]
            ),
            SQLQuery(RetentionStatements.pending, [ids]), SQLQuery(RetentionStatements.beingDelivered, [ids]),
            SQLQuery(RetentionStatements.beingMeasured, [ids]),
            SQLQuery(RetentionStatements.deliveries, [ids, .integer(Int64(PurgeLimits.deliveries + 1))]),
        ])
        let hasOlderReplica = try Self.findsOlderReplica(answers[0][0])
        var findings = Findings()
        if answers[1].count >= PurgeLimits.unreadChanges { findings.ofAll = .webhooksBehind }
        if hasOlderReplica { findings.ofAll = .olderReplica }
        let found: [(Int, PurgeObstacle)] = [
            (2, .idempotencyKey), (1, .webhooksBehind), (3, .webhooksBehind), (4, .deliveryUnderWay), (5, .busy),
        ]
        for (answer, obstacle) in found {
            for row in answers[answer] { findings.obstacles[row[0]] = obstacle }
        }
        for row in answers[6] { findings.deliveries[row[0]] = row[1] }
        return findings
    }

    /// Deletes exports without obstacles, and leaves their tombstones.
    func purge(_ records: [LedgerRecord], _ findings: Findings) throws -> [ExportTombstone] {
        guard !records.isEmpty else { return [] }
        let answerTimeout = connection.answerTimeout
        defer { connection.answerTimeout = answerTimeout }
        if records.contains(where: { findings.deliveries(of: $0.export.id) > PurgeLimits.deliveries }) {
            // In the time of other statements they might never be deleted.
            connection.answerTimeout = Self.patience + .seconds(5)
            let timeout = "SET LOCAL statement_timeout = \(Self.patience.milliseconds)"
            _ = try connection.query(SQLQuery(SQLStatement(timeout)))
        }
        let ids = SQLValue.textArray(records.map(\.export.id.description))
        let tombstones = records.map { $0.tombstone(at: now) }
        let inserts = try zip(records, tombstones)
            .flatMap { try RetentionStatements.insert($1, revision: $0.export.revision) }
        let deletions = RetentionStatements.deletions.map { SQLQuery($0, [ids]) }
        let entries = try audit.map { audit in try tombstones.map { try AuditStatements.insert(audit($0)) } } ?? []
        let answers = try connection.pipeline(deletions + inserts + entries)
        guard answers[deletions.count - 1].affected == records.count else {
            throw LedgerError(.corrupt, "exports that are purged are not there")
        }
        return tombstones
    }
}
