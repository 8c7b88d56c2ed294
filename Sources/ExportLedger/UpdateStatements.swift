import Exports
import GRDB
import Synchronization

/// The statements that write the changed columns of an export's row, and nothing else: an index over other columns is left
/// alone. One for each set of columns that occurred, up to a limit; past it a statement is prepared for its one use.
final class UpdateStatements: Sendable {
    private static let limit = 256
    private let texts = Mutex<[UInt64: String]>([:])

    /// Writes what `record` has beyond the row. When that settles the export, its refresh token is removed.
    func write(_ record: LedgerRecord, over stored: LedgerRecord, in database: Database) throws {
        let changes = try record.changes(since: stored)
        if !changes.isEmpty {
            let (text, isKept) = text(for: changes.map(\.column))
            let statement = try isKept ? database.cachedStatement(sql: text) : database.makeStatement(sql: text)
            try statement.execute(
                arguments: StatementArguments(changes.map(\.value) + [stored.export.id.description.databaseValue])
            )
        }
        if record.phase == .settled, stored.phase != .settled {
            try SQLiteLedger.removeRefreshToken(of: record.export.id, in: database)
        }
    }

    private func text(for columns: [ExportColumn]) -> (text: String, isKept: Bool) {
        let key = columns.reduce(into: UInt64(0)) { $0 |= 1 << $1.rawValue }
        return texts.withLock { texts in
            if let text = texts[key] { return (text, true) }
            let text = "UPDATE export SET \(columns.map { "\($0.name) = ?" }.joined(separator: ", ")) WHERE id = ?"
            guard texts.count < Self.limit else { return (text, false) }
            texts[key] = text
            return (text, true)
        }
    }
}
