public import ExportLedger
public import Exports
import PostgreSQL

extension PostgreSQLLedger: ExportLedger {
    public func check() async throws {
        _ = try await read { try $0.query("SELECT 1 FROM export LIMIT 1") }
    }

    public func impediment() async throws -> ServiceImpediment? {
        try await check()
        let id = Self.probe(id)
        do {
            _ = try await writeAlone { try $0.query(SQLQuery(Self.touch, [.text(id)])) }
            return nil
        } catch let error as LedgerError {
            return error.impediment ?? .writeFailed
        }
    }

    private static let touch: SQLStatement = "UPDATE ledger_writer SET used_at = clock_timestamp() WHERE id = $1"

    public func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?
    ) async throws -> InsertOutcome {
        let (needs, body) = insertion(of: record, idempotency, claimsSince, limit)
        return try await write(.creation, needs, body)
    }

    public func insert(
        _ record: LedgerRecord,
        idempotency: Idempotency?,
        claimsSince: Timestamp,
        limit: CreationLimit?,
        then answer: @escaping InsertAnswer
    ) -> Bool {
        let (needs, body) = insertion(of: record, idempotency, claimsSince, limit)
        // The closure holds the ledger until the answer, as a waiting task does.
        writer.create(needs, body) { result in answer(result.mapError { self.wrap($0, isWriting: true) }) }
        return true
    }

    private func insertion(
        of record: LedgerRecord,
        _ idempotency: Idempotency?,
        _ claimsSince: Timestamp,
        _ limit: CreationLimit?
    ) -> (WriteNeeds, @Sendable (GroupTransaction, Int) throws -> PendingWrite.Outcome<InsertOutcome>) {
        let export = record.export
        var needs = WriteNeeds()
        needs.claim = idempotency.map {
            WriteNeeds.Claim(
                caller: export.createdBy,
                idempotency: $0,
                exportID: export.id,
                createdAt: export.createdAt,
                since: claimsSince
            )
        }
        needs.limitedCreation = limit.map { (export.createdBy, $0) }
        return (
            needs,
            { transaction, place in
                if case .lost(let fingerprint, let id)? = transaction.claim(ofWrite: place) {
                    guard fingerprint == idempotency?.fingerprint else { return { _ in .keyReused } }
                    if let limit, let oldest = transaction.refusal(of: id) {
                        let outcome = InsertOutcome.limitReached(oldest: ExportID(oldest)?.createdAt ?? limit.since)
                        return { _ in outcome }
                    }
                    if let earlier = try ExportID(id).flatMap({ try transaction.record($0) }) {
                        return { _ in .replayed(earlier) }
                    }
                    guard let tombstone = try transaction.tombstone(id) else {
                        throw LedgerError(.corrupt, "an idempotency key names no export")
                    }
                    return { _ in .purged(tombstone) }
                }
                if let limit, let oldest = transaction.takePlace(for: export, of: limit) {
                    // The key was claimed before the export was refused. An error would undo the whole group.
                    if let idempotency {
                        let key: [SQLValue] = [.text(export.createdBy), .text(idempotency.key)]
                        transaction.stage(SQLQuery(Self.deleteClaim, key + [.text(export.id.description)]))
                    }
                    let outcome = InsertOutcome.limitReached(oldest: ExportID(oldest)?.createdAt ?? limit.since)
                    return { _ in outcome }
                }
                try transaction.insert(record)
                return { _ in .created(record.audited) }
            }
        )
    }

    public func claimed(
        _ idempotency: Idempotency,
        by caller: String,
        claimsSince: Timestamp
    ) async throws -> InsertOutcome? {
        let row = try await read { connection in
            try connection.query(
                SQLQuery(
                    Self.selectClaim,
                    [.text(caller), .text(idempotency.key), .integer(claimsSince.milliseconds)]
                )
            )
        }
        .first
        guard let row else { return nil }
        guard row.text(0) == idempotency.fingerprint else { return .keyReused }
        guard let id = ExportID(row.text(1) ?? "") else { return nil }
        if let record = try await record(id) { return .replayed(record) }
        return try await tombstone(id).map(InsertOutcome.purged)
    }

    private static let deleteClaim: SQLStatement =
        "DELETE FROM idempotency WHERE caller = $1 AND key = $2 AND export_id = $3"
    private static let selectClaim: SQLStatement = """
        SELECT fingerprint, export_id FROM idempotency WHERE caller = $1 AND key = $2 AND created_at >= $3
        """

    public func record(_ id: ExportID, then answer: @escaping RecordAnswer) {
        records.record(id) { result in
            if case .success = result { self.unreadable.read(id) }
            answer(result.mapError { self.wrap($0, isWriting: false) })
        }
    }

    public func update(
        _ id: ExportID,
        fence: Int64?,
        _ change: @escaping @Sendable (inout LedgerRecord) -> Void
    ) async throws -> UpdateOutcome {
        let isFenced = fence != nil
        return try await write(
            .change,
            WriteNeeds(records: [id], readsRegistration: true),
            // The registration has expired since the transaction began.
            refused: .success(.stale)
        ) { transaction, _ in
            guard let before = try transaction.record(id) else { return { _ in .notFound } }
            guard fence ?? before.fence == before.fence, !isFenced || transaction.isOwn(before.leaseOwner) else {
                return { _ in .stale }
            }
            var after = before
            change(&after)
            // Without a registration, nobody would notice when the new owner ends.
            guard after.leaseOwner == before.leaseOwner || transaction.isOwn(after.leaseOwner) else {
                return { _ in .stale }
            }
            if let owner = try transaction.otherOwner(ofJobBoundIn: after, since: before) {
                return { _ in .jobTaken(by: owner) }
            }
            try transaction.write(after, over: before, isFenced: isFenced)
            return { [after = after.audited] _ in .written(before: before, after: after) }
        }
    }

    public func expired(at time: Timestamp, limit: Int) async throws -> [ExportID] {
        let known = unreadable.exports
        let rows = try await read { connection in
            try connection.query(
                SQLQuery(
                    Self.selectExpired,
                    [.integer(time.milliseconds), .textArray(known.sorted()), .integer(Int64(max(0, limit)))]
                )
            )
        }
        return rows.compactMap { row in
            let text: String = row[0]
            let id = ExportID(text)
            if id == nil { unreadable.found(UnreadableRow(table: .export, export: text, column: "id")) }
            return id
        }
    }

    private static let selectExpired: SQLStatement = """
        SELECT id FROM export
        WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL AND expires_at <= $1
            AND id <> ALL ($2::text[])
        ORDER BY expires_at LIMIT $3
        """

    public func nextExpiry() async throws -> Timestamp? {
        // An export that cannot be read is left out, because it would be due for ever.
        let known = unreadable.exports
        return try await read { try $0.query(SQLQuery(Self.selectNextExpiry, [.textArray(known.sorted())])) }
            .first?
            .time(0)
    }

    private static let selectNextExpiry: SQLStatement = """
        SELECT expires_at FROM export
        WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL AND id <> ALL ($1::text[])
        ORDER BY expires_at LIMIT 1
        """

    public func pruneClaims(before time: Timestamp) async throws {
        // In parts, so that none takes long.
        var count = 0
        repeat {
            try Task.checkCancellation()
            count = try await writeAlone { connection in
                try connection.query(SQLQuery(Self.prune, [.integer(time.milliseconds)])).affected
            }
        } while count == Self.pruned
    }

    private static let pruned = 500
    private static let prune = SQLStatement(
        """
        DELETE FROM idempotency WHERE created_at < $1 AND (caller, key) IN (
            SELECT caller, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT \(pruned)
        )
        """
    )
}
