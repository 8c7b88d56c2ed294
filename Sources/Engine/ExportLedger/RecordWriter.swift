import Exports
import GRDB
import Synchronization

/// Writes the rows of exports, and with each visible change the row of its event. Nothing else writes them, except for scheduling
/// progress, which callers do not see.
///
/// The create request is written once. A change writes only the columns that changed, so that indexes over other columns stay
/// untouched. There is one cached statement for each set of columns that occurred, up to a limit; beyond it, statements are
/// prepared for a single use.
final class RecordWriter: Sendable {
    private static let limit = 256
    private let texts = Mutex<[UInt64: String]>([:])

    /// Stores a new export.
    func insert(_ record: LedgerRecord, in database: Database) throws {
        let values = try ExportColumn.ofExport.map { try record.value(of: $0) }
        try database.cachedStatement(sql: ExportColumn.insert).execute(arguments: StatementArguments(values))
        let request = try [record.value(of: .source), record.value(of: .plan)]
        try database.cachedStatement(sql: ExportColumn.insertRequest).execute(arguments: StatementArguments(request))
        try ExportEvent.insert(record.export, in: database)
    }

    /// Writes the columns in which `record` differs from the row. When that settles the export, its refresh token is deleted.
    /// Throws `LedgerError` (`corrupt`) for a record in which the request is another.
    func write(_ record: LedgerRecord, over stored: LedgerRecord, in database: Database) throws {
        guard record.plan == stored.plan, record.export.source == stored.export.source else {
            throw LedgerError(.corrupt, "a change may not alter what an export was asked for")
        }
        let changes = try record.changes(since: stored)
        if !changes.isEmpty {
            let (text, isKept) = text(for: changes.map(\.column))
            let statement = try isKept ? database.cachedStatement(sql: text) : database.makeStatement(sql: text)
            try statement.execute(
                arguments: StatementArguments(changes.map(\.value) + [stored.export.id.description.databaseValue])
            )
        }
        if record.export.revision != stored.export.revision { try ExportEvent.insert(record.export, in: database) }
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
