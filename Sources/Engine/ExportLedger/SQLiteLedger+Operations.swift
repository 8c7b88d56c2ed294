public import Exports
import GRDB

extension SQLiteLedger: ExportLedger {
    public func check() async throws {
        _ = try await read { try Int.fetchOne($0, sql: "SELECT 1 FROM export LIMIT 1") }
    }

    public func impediment() async throws -> ServiceImpediment? {
        try await check()
        do {
            try checkPlace()
            // A write that changes nothing: SQLite writes the page with this number even if it stays the same. Nothing reads it.
            try await writeAlone { try $0.execute(sql: "PRAGMA user_version = 0") }
            return nil
        } catch let error as LedgerError {
            return error.impediment ?? .writeFailed
        }
    }

    public func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?
    ) async throws -> InsertOutcome {
        try await write(.creation, insertion(of: record, idempotency, claimsSince, limit))
    }

    public func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?,
        then answer: @escaping InsertAnswer
    ) -> Bool {
        create(insertion(of: record, idempotency, claimsSince, limit), then: answer)
        return true
    }

    private func insertion(
        of record: LedgerRecord,
        _ idempotency: Idempotency?,
        _ claimsSince: Timestamp,
        _ limit: CreationLimit?
    ) -> @Sendable (Database) throws -> InsertOutcome {
        let (progress, records, credits) = (progress, records, creationCredits)
        return { database in
            let caller = record.export.createdBy
            // There is one write at a time, so the result of this check stays valid in this transaction.
            if let idempotency {
                let claim = try Self.claim(idempotency, by: caller, since: claimsSince, in: database)
                switch claim {
                case nil: break
                case .otherRequest: return .keyReused
                case .export(let id):
                    if let earlier = try Self.record(id, in: database).map(progress.current) {
                        return .replayed(earlier)
                    }
                    if let tombstone = try Self.tombstone(id, in: database) { return .purged(tombstone) }
                }
            }
            if let limit, let oldest = try Self.takePlace(for: caller, limit, credits, in: database) {
                return .limitReached(oldest: ExportID(oldest)?.createdAt ?? limit.since)
            }
            try records.insert(record, in: database)
            guard let idempotency else { return .created(record.audited) }
            try database.cachedStatement(sql: Self.insertClaim)
                .execute(
                    arguments: [
                        caller, idempotency.key, idempotency.fingerprint, record.export.id.description,
                        record.export.createdAt.milliseconds, claimsSince.milliseconds,
                    ]
                )
            guard database.changesCount == 1 else {
                throw LedgerError(.corrupt, "an idempotency key names no export")
            }
            return .created(record.audited)
        }
    }

    private static let insertClaim = """
        INSERT INTO idempotency (caller, key, fingerprint, export_id, created_at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (caller, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, export_id = excluded.export_id, created_at = excluded.created_at
        WHERE idempotency.created_at < ?
        """

    public func claimed(
        _ idempotency: Idempotency,
        by caller: String,
        claimsSince: Timestamp
    ) async throws -> InsertOutcome? {
        let claim = try await read { try Self.claim(idempotency, by: caller, since: claimsSince, in: $0) }
        switch claim {
        case nil: return nil
        case .otherRequest: return .keyReused
        case .export(let id):
            if let record = try await record(id) { return .replayed(record) }
            return try await tombstone(id).map(InsertOutcome.purged)
        }
    }

    public func record(_ id: ExportID, then answer: @escaping RecordAnswer) {
        read(id, isForUpdate: false, answer)
    }

    public func recordToUpdate(_ id: ExportID, then answer: @escaping RecordAnswer) {
        read(id, isForUpdate: true, answer)
    }

    private func read(_ id: ExportID, isForUpdate: Bool, _ answer: @escaping RecordAnswer) {
        reads.record(id, isForUpdate: isForUpdate) { result in
            if case .success = result { self.unreadable.read(id) }
            answer(result.mapError { self.wrap($0, isWriting: false) })
        }
    }

    public func updateInMemory(
        _ id: ExportID,
        fence: Int64?,
        _ change: (inout LedgerRecord) -> Void
    ) -> UpdateOutcome? {
        isOpen ? progress.update(id, fence: fence, change) : nil
    }

    public func update(
        _ id: ExportID,
        fence: Int64?,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        let (progress, records) = (progress, records)
        return try await write { database in
            guard let stored = try Self.record(id, in: database) else { return .notFound }
            let before = progress.current(stored)
            guard fence ?? before.fence == before.fence else { return .stale }
            var after = before
            change(&after)
            if let owner = try Self.otherOwner(ofJobBoundIn: after, since: before, in: database) {
                return .jobTaken(by: owner)
            }
            if !progress.keep(after, since: before, row: stored) {
                try records.write(after, over: stored, in: database)
                progress.isWritten(id)
                try Self.updateMeasurement(from: before, to: after, in: database)
            }
            return .written(before: before, after: after.audited)
        }
    }

    public func expired(at time: Timestamp, limit: Int) async throws -> [ExportID] {
        let unreadable = unreadable.exports
        let found = try await read { database in
            let rows =
                try Row.fetchCursor(
                    database,
                    sql: """
                        SELECT id FROM export INDEXED BY export_expiring
                        WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL AND expires_at <= ?
                        ORDER BY expires_at
                        """,
                    arguments: [time.milliseconds]
                )
                .filter { !unreadable.contains($0["id"]) }
            var ids: [ExportID] = []
            var leftOut: [UnreadableRow] = []
            while ids.count < limit, let row = try rows.next() {
                if let id = ExportID(row["id"] as String) {
                    ids.append(id)
                } else {
                    leftOut.append(UnreadableRow(table: .export, export: row["id"], column: "id"))
                }
            }
            return (ids, leftOut)
        }
        found.1.forEach(self.unreadable.found)
        return found.0
    }

    public func nextExpiry() async throws -> Timestamp? {
        // An export that cannot be read is left out, because it would be due for ever.
        let unreadable = unreadable.exports
        return try await read { database in
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT id, expires_at FROM export INDEXED BY export_expiring
                    WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL
                    ORDER BY expires_at
                    """
            )
            let next = try rows.first { !unreadable.contains($0["id"]) }
            return next.map { Timestamp(milliseconds: $0["expires_at"]) }
        }
    }

    public func pruneClaims(before time: Timestamp) async throws {
        try await writeAlone { database in
            try database.execute(
                sql: "DELETE FROM idempotency WHERE created_at < ?",
                arguments: [time.milliseconds]
            )
        }
    }
}

extension SQLiteLedger {
    static func record(_ id: ExportID, in database: Database) throws -> LedgerRecord? {
        try database.cachedStatement(sql: ExportColumn.selectOne).firstExport([id.description], record)
    }

    /// The state of an idempotency key.
    private enum Claim: Sendable {
        case export(ExportID)
        /// It was used with another request.
        case otherRequest
    }

    private static func claim(
        _ idempotency: Idempotency,
        by caller: String,
        since: Timestamp,
        in database: Database
    ) throws -> Claim? {
        let row = try Row.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT fingerprint, export_id FROM idempotency WHERE caller = ? AND key = ? AND created_at >= ?
                    """
            ),
            arguments: [caller, idempotency.key, since.milliseconds]
        )
        guard let row else { return nil }
        guard row["fingerprint"] == idempotency.fingerprint else { return .otherRequest }
        return ExportID(row["export_id"] as String).map(Claim.export)
    }
}
