public import Exports
import GRDB

// Finds out to which export an upstream job belongs.
extension SQLiteLedger {
    public func claims(
        on upstreamIDs: [String],
        of provider: ProviderID,
        connection: String,
        except id: ExportID
    ) async throws -> OtherExports.Claims {
        let (claims, leftOut) = try await read { database -> (OtherExports.Claims, [UnreadableRow]) in
            let bound = try upstreamIDs.filter { upstreamID in
                try Self.owner(of: upstreamID, provider, connection, except: id, in: database) != nil
            }
            let rows = try ExportRows(
                database.cachedStatement(
                    // Two queries, because each can use an index with few rows.
                    sql: """
                        \(ExportColumn.select(by: "export_unfinished"))
                        WHERE phase <> 'settled' AND phase = 'submitting' AND recovering_since IS NULL
                        AND provider = ? AND connection = ? AND id <> ?
                        UNION ALL
                        \(ExportColumn.select(by: "export_unconfirmed"))
                        WHERE recovering_since IS NOT NULL AND provider = ? AND connection = ? AND id <> ?
                        """
                ),
                [provider.rawValue, connection, id.description, provider.rawValue, connection, id.description]
            )
            let unconfirmed = try Self.page(rows, limit: .max, by: nil, Self.record)
            let claims = OtherExports.Claims(
                boundIDs: Set(bound),
                unconfirmed: unconfirmed.values.map { OtherExports.Unconfirmed($0) }
            )
            return (claims, unconfirmed.leftOut)
        }
        leftOut.forEach(unreadable.found)
        return claims
    }

    /// The other export that has the job which `after` is bound to by this change.
    static func otherOwner(
        ofJobBoundIn after: LedgerRecord,
        since before: LedgerRecord,
        in database: Database
    ) throws -> ExportID? {
        guard let reference = after.reference, reference != before.reference else { return nil }
        let export = after.export
        return try owner(of: reference.id, export.provider, export.connection, except: export.id, in: database)
    }

    private static func owner(
        of upstreamID: String,
        _ provider: ProviderID,
        _ connection: String,
        except id: ExportID,
        in database: Database
    ) throws -> ExportID? {
        try String.fetchOne(
            database,
            sql: """
                SELECT id FROM export INDEXED BY export_by_job
                WHERE reference IS NOT NULL AND json_valid(reference) AND json_extract(reference, '$.id') = ?1
                AND provider = ?2 AND connection = ?3 AND id <> ?4
                UNION ALL
                SELECT id FROM export_tombstone INDEXED BY export_tombstone_by_job
                WHERE job IS NOT NULL AND job = ?1 AND provider = ?2 AND connection = ?3 LIMIT 1
                """,
            arguments: [upstreamID, provider.rawValue, connection, id.description]
        )
        .flatMap { ExportID($0) }
    }
}
