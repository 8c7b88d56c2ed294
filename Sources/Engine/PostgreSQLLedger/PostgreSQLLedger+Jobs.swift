import ExportLedger
public import Exports
import PostgreSQL

// Finds out to which export an upstream job belongs.
extension PostgreSQLLedger {
    public func claims(
        on upstreamIDs: [String],
        of provider: ProviderID,
        connection: String,
        except id: ExportID
    ) async throws -> OtherExports.Claims {
        let place: [SQLValue] = [.text(provider.rawValue), .text(connection), .text(id.description)]
        let answers = try await read { database in
            try database.pipeline([
                SQLQuery("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
                SQLQuery(Self.bound, place + [.textArray(upstreamIDs)]),
                SQLQuery(Self.unconfirmed, place),
                .commit,
            ])
        }
        let page = try RowPage<LedgerRecord>(answers[2]) { try $0.record() }
        page.leftOut.forEach(unreadable.found)
        return OtherExports.Claims(
            boundIDs: Set(answers[1].compactMap { $0.text(0) }),
            unconfirmed: page.values.map { OtherExports.Unconfirmed($0) }
        )
    }

    private static let bound: SQLStatement = """
        SELECT DISTINCT reference_id FROM export
        WHERE reference_id IS NOT NULL AND reference_id = ANY($4::text[]) AND provider = $1 AND connection = $2 AND id <> $3
        UNION ALL
        SELECT job FROM export_tombstone
        WHERE job IS NOT NULL AND job = ANY($4::text[]) AND provider = $1 AND connection = $2
        """
    // Two queries, because each can use an index with few rows.
    private static let unconfirmed = SQLStatement(
        """
        \(ExportColumn.select) WHERE phase = 'submitting' AND recovering_since IS NULL
            AND provider = $1 AND connection = $2 AND export.id <> $3
        UNION ALL
        \(ExportColumn.select) WHERE recovering_since IS NOT NULL
            AND provider = $1 AND connection = $2 AND export.id <> $3
        """
    )
}

extension GroupTransaction {
    /// The other export that has the job which `after` is bound to by this change.
    func otherOwner(ofJobBoundIn after: LedgerRecord, since before: LedgerRecord) throws -> ExportID? {
        guard let reference = after.reference, reference != before.reference else { return nil }
        let export = after.export
        let job = [export.provider.rawValue, export.connection, reference.id]
        // Two replicas that bind one job at the same time come one after the other here. Two jobs with the same number do too.
        _ = try query(SQLQuery(Self.lockJob, [.text(job.joined(separator: "\n"))]))
        let owner = try query(SQLQuery(Self.owner, job.map { .text($0) } + [.text(export.id.description)]))
        return owner.first.flatMap { ExportID($0[0] as String) }
    }

    private static let lockJob: SQLStatement = "SELECT pg_advisory_xact_lock(hashtextextended($1, 11))"
    private static let owner: SQLStatement = """
        SELECT id FROM export WHERE reference_id IS NOT NULL AND provider = $1 AND connection = $2 AND reference_id = $3
            AND id <> $4
        UNION ALL
        SELECT id FROM export_tombstone WHERE job IS NOT NULL AND provider = $1 AND connection = $2 AND job = $3
        LIMIT 1
        """
}
