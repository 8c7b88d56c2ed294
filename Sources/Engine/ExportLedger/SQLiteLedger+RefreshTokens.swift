public import Exports
import GRDB

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension SQLiteLedger {
    public func refreshToken(of id: ExportID) async throws -> [UInt8]? {
        try await read { try Self.refreshToken(of: id, in: $0) }
    }

    public func updateRefreshToken(
        of id: ExportID,
        _ change: @escaping @Sendable (inout [UInt8]?) throws -> Void
    ) async throws -> Bool {
        try await write { database in
            let isUnsettled = try Bool.fetchOne(
                database,
                sql: "SELECT phase <> 'settled' FROM export WHERE id = ?",
                arguments: [id.description]
            )
            guard isUnsettled == true else { return false }
            let before = try Self.refreshToken(of: id, in: database)
            var after = before
            try change(&after)
            guard after != before else { return true }
            guard let after else {
                try Self.removeRefreshToken(of: id, in: database)
                return true
            }
            try database.execute(
                sql: """
                    INSERT INTO refresh_token (export_id, sealed) VALUES (?, ?)
                    ON CONFLICT (export_id) DO UPDATE SET sealed = excluded.sealed
                    """,
                arguments: [id.description, Data(after)]
            )
            return true
        }
    }

    public func refreshTokens(after: ExportID?, limit: Int) async throws -> [SealedRefreshToken] {
        let page = try await read { database in
            // The empty text sorts before every id.
            let rows = try Row.fetchCursor(
                database,
                sql: "SELECT export_id, sealed FROM refresh_token WHERE export_id > ? ORDER BY export_id",
                arguments: [after?.description ?? ""]
            )
            return try Self.page(rows, limit: max(0, limit), by: nil) { row in
                try UnreadableRow.Table.refreshToken.naming(export: row["export_id"], id: nil) {
                    guard let id = ExportID(row["export_id"] as String) else { throw JSONText.unreadable("export_id") }
                    return SealedRefreshToken(exportID: id, sealed: Array(row["sealed"] as Data))
                }
            }
        }
        page.leftOut.forEach(unreadable.found)
        return page.values
    }

    static func removeRefreshToken(of id: ExportID, in database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM refresh_token WHERE export_id = ?")
            .execute(arguments: [id.description])
    }

    private static func refreshToken(of id: ExportID, in database: Database) throws -> [UInt8]? {
        try Data.fetchOne(
            database,
            sql: "SELECT sealed FROM refresh_token WHERE export_id = ?",
            arguments: [id.description]
        )
        .map { Array($0) }
    }
}
