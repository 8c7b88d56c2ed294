public import ExportLedger
public import Exports
import PostgreSQL

extension PostgreSQLLedger {
    public func refreshToken(of id: ExportID) async throws -> [UInt8]? {
        try await read { try $0.query(SQLQuery(Self.selectToken, [.text(id.description)])) }.first?.bytes(0)
    }

    public func updateRefreshToken(
        of id: ExportID,
        _ change: @escaping @Sendable (inout [UInt8]?) throws -> Void
    ) async throws -> Bool {
        let name = SQLValue.text(id.description)
        return try await write(.change, WriteNeeds(records: [id])) { transaction, _ in
            guard transaction.isUnsettled(id) else { return { _ in false } }
            let before = try transaction.query(SQLQuery(Self.selectToken, [name])).first?.bytes(0)
            var after = before
            try change(&after)
            if after != before {
                transaction.stage(
                    after.map { SQLQuery(Self.setToken, [name, .bytes($0)]) }
                        ?? SQLQuery(RecordStatements.deleteToken, [name])
                )
            }
            return { _ in true }
        }
    }

    public func refreshTokens(after: ExportID?, limit: Int) async throws -> [SealedRefreshToken] {
        let limit = max(0, limit)
        // The empty text sorts before every id.
        let place: [SQLValue] = [
            .text(after?.description ?? ""),
            .integer(RowPage<SealedRefreshToken>.rows(for: limit)),
        ]
        let rows = try await read { try $0.query(SQLQuery(Self.selectTokens, place)) }
        let page = try RowPage<SealedRefreshToken>(rows, limit: limit) { row in
            try UnreadableRow.Table.refreshToken.naming(export: row[0], id: nil) {
                guard let id = ExportID(row[0] as String) else { throw JSONText.unreadable("export_id") }
                return SealedRefreshToken(exportID: id, sealed: row.bytes(1) ?? [])
            }
        }
        page.leftOut.forEach(unreadable.found)
        return page.values
    }

    private static let selectToken: SQLStatement = "SELECT sealed FROM refresh_token WHERE export_id = $1"
    private static let setToken: SQLStatement = """
        INSERT INTO refresh_token (export_id, sealed) VALUES ($1, $2)
        ON CONFLICT (export_id) DO UPDATE SET sealed = excluded.sealed
        """
    private static let selectTokens: SQLStatement =
        "SELECT export_id, sealed FROM refresh_token WHERE export_id > $1 ORDER BY export_id LIMIT $2"
}
