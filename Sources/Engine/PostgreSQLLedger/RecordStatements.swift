import ExportLedger
import Exports
import PostgreSQL
import Synchronization

extension SQLRow: StoredRow {}

extension ExportColumn {
    // A left join, so that an export whose request row is missing is reported as unreadable and not as unknown.
    private static let tables = "FROM export LEFT JOIN export_request ON export_request.id = export.id"

    private static func list(_ columns: some Sequence<ExportColumn>) -> String {
        columns.map { ($0.isOfRequest ? "export_request." : "export.") + $0.name }.joined(separator: ", ")
    }

    /// Selects every column, for `LedgerRecord.init(_:)`. A condition follows.
    static let select = "SELECT \(list(allCases)) \(tables)"
    /// Selects the columns that lists need.
    static let selectListed = "SELECT \(list(allCases.prefix { $0 != .plan })) \(tables)"
}

extension SQLValue {
    init(_ value: StoredValue) {
        switch value {
        case .null: self = .null
        case .integer(let number): self = .integer(number)
        case .text(let text): self = .text(text)
        case .bytes(let bytes): self = .bytes(bytes)
        }
    }

    /// Throws `LedgerError` for a text that PostgreSQL cannot store. JSON has U+0000 as an escape, and texts of callers and upstreams
    /// hold no control characters, so this is a mistake of a provider.
    init(checked value: StoredValue, _ name: String) throws {
        if case .text(let text) = value, text.utf8.contains(0) {
            throw LedgerError(.corrupt, "the value of \(name) holds U+0000, which PostgreSQL cannot store")
        }
        self.init(value)
    }
}

/// The statements that write exports and what belongs to them.
enum RecordStatements {
    /// The code of the failure of a statement that had to change exactly one row and found none: 1 is divided by the number of rows.
    /// A failure, so that nothing after it in the transaction takes effect.
    static let refused = "22012"

    static func marks(_ range: some Sequence<Int>) -> String { range.map { "$\($0)" }.joined(separator: ", ") }

    static func insert(_ record: LedgerRecord, _ replica: String?) throws -> SQLQuery {
        var values = try ExportColumn.ofExport.map { try SQLValue(checked: record.value(of: $0), $0.name) }
        values.append(.text(record.reference?.id))
        values += try [ExportColumn.source, .plan].map { SQLValue(try record.value(of: $0)) }
        values += ExportChange(position: 0, record.export, after: nil).values.dropFirst().map { SQLValue($0) }
        values.append(.text(replica))
        return SQLQuery(insertExport, values)
    }

    private static let insertExport: SQLStatement = {
        let columns = ExportColumn.ofExport.map(\.name) + ["reference_id"]
        let (last, events) = (columns.count, ExportChange.columns.count)
        // The id is the first parameter in all three.
        return SQLStatement(
            """
            WITH stored AS (
                INSERT INTO export (\(columns.joined(separator: ", "))) VALUES (\(marks(1...last)))
            ), requested AS (
                INSERT INTO export_request (id, source, plan) VALUES (\(marks([1, last + 1, last + 2])))
            )
            INSERT INTO export_event_pending (\(ExportChange.names), replica)
                VALUES (\(marks([1] + (last + 3...last + 2 + events))))
            """
        )
    }()

    static func event(_ export: Export, after before: Export, _ replica: String?) -> SQLQuery {
        event(ExportChange(position: 0, export, after: before), replica)
    }

    /// Stores a change, which is published later. Without a replica, the change is told to all.
    static func event(_ change: ExportChange, _ replica: String?) -> SQLQuery {
        SQLQuery(insertEvent, change.values.map { SQLValue($0) } + [.text(replica)])
    }

    private static let insertEvent = SQLStatement(
        """
        INSERT INTO export_event_pending (\(ExportChange.names), replica)
            VALUES (\(marks(1...ExportChange.columns.count + 1)))
        """
    )

    /// What else a change of a record writes.
    static func followUps(from before: LedgerRecord, to after: LedgerRecord) -> [SQLQuery] {
        let id = SQLValue.text(after.export.id.description)
        let isEnd = after.phase == .settled && before.phase != .settled
        var queries = isEnd ? [SQLQuery(deleteToken, [id])] : []
        if isEnd, after.export.status.hasResult {
            queries.append(SQLQuery(measure, [id, .integer(after.export.updatedAt.milliseconds)]))
        } else if after.export.status == .expired, before.export.status != .expired {
            queries.append(SQLQuery(deleteMeasurement, [id]))
        }
        return queries
    }

    static let deleteToken: SQLStatement = "DELETE FROM refresh_token WHERE export_id = $1"
    static let deleteMeasurement: SQLStatement = "DELETE FROM measurement WHERE export_id = $1"
    private static let measure: SQLStatement = """
        INSERT INTO measurement (export_id, due_at, attempts) VALUES ($1, $2, 0)
        ON CONFLICT (export_id) DO UPDATE SET due_at = excluded.due_at, attempts = 0
        """
}

/// The statements that update the columns of an export that changed: one text for each set of columns that occurred, up to a limit.
/// Beyond it, all columns are written, by the same text. Fewer columns are less to send and to compare; whether an index has to be
/// changed is decided by PostgreSQL by the values.
final class UpdateTexts: Sendable {
    /// A connection keeps 256 prepared statements, for all kinds.
    private static let limit = 160

    private struct Key: Hashable {
        var columns: UInt64
        var guardKind: Guard
    }

    private enum Guard: Hashable { case none, fence, lease, registration }

    private let texts = Mutex<[Key: SQLStatement]>([:])

    /// The statement for a change; nil where no column differs.
    func update(
        _ after: LedgerRecord,
        over before: LedgerRecord,
        isFenced: Bool,
        _ replica: String?
    ) throws -> SQLQuery? {
        var changes = try after.changes(since: before)
        guard !changes.isEmpty else { return nil }
        let movesLease = after.leaseOwner != before.leaseOwner && replica != nil
        let guardKind: Guard =
            isFenced ? (replica == nil ? .fence : .lease) : (movesLease ? .registration : .none)
        let key = Key(columns: changes.reduce(into: 0) { $0 |= 1 << $1.column.rawValue }, guardKind: guardKind)
        var statement = kept(key, changes.map(\.column))
        if statement == nil {
            let all = ExportColumn.ofExport.dropFirst()
            changes = try all.map { ($0, try after.value(of: $0)) }
            statement = Self.text(all.map(\.self), guardKind)
        }
        var values: [SQLValue] = [.text(before.export.id.description)]
        switch guardKind {
        case .none: break
        case .fence: values.append(.integer(before.fence))
        case .lease: values += [.integer(before.fence), .text(before.leaseOwner), .text(replica)]
        case .registration: values.append(.text(replica))
        }
        for (column, value) in changes {
            values.append(try SQLValue(checked: value, column.name))
            if column == .reference { values.append(.text(after.reference?.id)) }
        }
        return statement.map { SQLQuery($0, values) }
    }

    private func kept(_ key: Key, _ columns: [ExportColumn]) -> SQLStatement? {
        texts.withLock { texts in
            if let text = texts[key] { return text }
            guard texts.count < Self.limit else { return nil }
            let text = Self.text(columns, key.guardKind)
            texts[key] = text
            return text
        }
    }

    private static func text(_ columns: [ExportColumn], _ guardKind: Guard) -> SQLStatement {
        let names = columns.flatMap { $0 == .reference ? [$0.name, "reference_id"] : [$0.name] }
        let first =
            switch guardKind {
            case .none: 2
            case .fence, .registration: 3
            case .lease: 5
            }
        let sets = names.enumerated().map { "\($1) = $\(first + $0)" }.joined(separator: ", ")
        let update = "UPDATE export SET \(sets) WHERE id = $1"
        switch guardKind {
        case .none: return SQLStatement(update)
        case .fence:
            return SQLStatement(
                "WITH changed AS (\(update) AND fence = $2 RETURNING 1) SELECT 1 / count(*) FROM changed"
            )
        case .registration:
            return SQLStatement(
                """
                WITH changed AS (
                    \(update) AND \(isRegistered("$2"))
                    RETURNING 1
                )
                SELECT 1 / count(*) FROM changed
                """
            )
        case .lease:
            return SQLStatement(
                """
                WITH changed AS (
                    \(update) AND fence = $2 AND lease_owner = $3 AND \(isRegistered("$4"))
                    AND ($3 = $4 OR EXISTS (
                        SELECT 1 FROM lease WHERE owner = $4 AND owner || '/' || epoch || '/' || lease.name = $3
                    ))
                    RETURNING 1
                )
                SELECT 1 / count(*) FROM changed
                """
            )
        }
    }

    private static func isRegistered(_ replica: String) -> String {
        "EXISTS (SELECT 1 FROM replica WHERE replica.id = \(replica) AND replica.expires_at > clock_timestamp())"
    }
}
