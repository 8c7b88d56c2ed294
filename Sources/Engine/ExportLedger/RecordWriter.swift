import Exports
import GRDB
import Synchronization

/// Writes the rows of exports, with each visible change the row of its event, and the entry of the audit trail where a record has one.
/// Nothing else writes them, except for scheduling
/// progress, which callers do not see, and for exports that are purged.
///
/// The create request is written once. A change writes only the columns that changed, so that indexes over other columns stay
/// untouched. There is one cached statement for each set of columns that occurred, up to a limit; beyond it, statements are
/// prepared for a single use.
final class RecordWriter: Sendable {
    private static let limit = 256
    private let texts = Mutex<[Key: String]>([:])

    /// Stores a new export.
    func insert(_ record: LedgerRecord, in database: Database) throws {
        // Most columns of a new export are null, which is the default, or 0. They are not bound, because that takes as long as to
        // store them.
        var (zeros, columns): ([ExportColumn], [ExportColumn]) = ([], [])
        // With this type, because for any other GRDB uses a key path, which takes longer than the binding.
        var values: [(any DatabaseValueConvertible)?] = []
        for column in ExportColumn.ofExport {
            let value = try record.value(of: column)
            switch value {
            case .null: break
            case .integer(0): zeros.append(column)
            default:
                columns.append(column)
                values.append(value.databaseValue)
            }
        }
        try statement(.insert(zeros: Self.set(zeros)), columns, in: database)
            .execute(arguments: StatementArguments(values))
        try database.cachedStatement(sql: ExportColumn.insertRequest)
            .execute(arguments: [record.value(of: .source).databaseValue, record.value(of: .plan).databaseValue])
        try ExportChange.insert(record.export, after: nil, in: database)
        try record.auditEntry?.insert(in: database)
    }

    /// Writes the columns in which `record` differs from the row. When that settles the export, its refresh token is deleted.
    /// Throws `LedgerError` (`corrupt`) for a record in which the request is another.
    func write(_ record: LedgerRecord, over stored: LedgerRecord, in database: Database) throws {
        guard record.plan == stored.plan, record.export.source == stored.export.source else {
            throw LedgerError(.corrupt, "a change may not alter what an export was asked for")
        }
        let changes = try record.changes(since: stored)
        if !changes.isEmpty {
            try statement(.update, changes.map(\.column), in: database)
                .execute(
                    arguments: StatementArguments(
                        changes.map(\.value.databaseValue) + [stored.export.id.description.databaseValue]
                    )
                )
        }
        if record.export.revision != stored.export.revision {
            try ExportChange.insert(record.export, after: stored.export, in: database)
        }
        if record.phase == .settled, stored.phase != .settled {
            try SQLiteLedger.removeRefreshToken(of: record.export.id, in: database)
        }
        try record.auditEntry?.insert(in: database)
    }

    private func statement(_ kind: Kind, _ columns: [ExportColumn], in database: Database) throws -> Statement {
        let key = Key(kind: kind, columns: Self.set(columns))
        let (text, isKept) = texts.withLock { texts in
            if let text = texts[key] { return (text, true) }
            let text = kind.text(columns)
            guard texts.count < Self.limit else { return (text, false) }
            texts[key] = text
            return (text, true)
        }
        return try isKept ? database.cachedStatement(sql: text) : database.makeStatement(sql: text)
    }

    private static func set(_ columns: [ExportColumn]) -> UInt64 {
        columns.reduce(into: 0) { $0 |= 1 << $1.rawValue }
    }

    private enum Kind: Hashable {
        /// A new row; `zeros` is the set of the columns that are 0.
        case insert(zeros: UInt64)
        case update

        func text(_ columns: [ExportColumn]) -> String {
            switch self {
            case .insert(let zeros):
                let zeros = ExportColumn.ofExport.filter { zeros & 1 << $0.rawValue != 0 }
                let values = columns.map { _ in "?" } + zeros.map { _ in "0" }
                return "INSERT INTO export (\((columns + zeros).map(\.name).joined(separator: ", "))) "
                    + "VALUES (\(values.joined(separator: ", ")))"
            case .update:
                return "UPDATE export SET \(columns.map { "\($0.name) = ?" }.joined(separator: ", ")) WHERE id = ?"
            }
        }
    }

    /// A kind of statement, and the set of the columns whose values it binds.
    private struct Key: Hashable {
        var kind: Kind
        var columns: UInt64
    }
}
