import ExportLedger
import Exports
import PostgreSQL

/// The transaction of a group of writes, between its `BEGIN` and its `COMMIT`. It is used on one thread.
///
/// What a write changes is staged here and sent together with the `COMMIT`. Later writes of the group read what earlier ones have
/// staged.
final class GroupTransaction {
    /// What became of a key.
    enum ClaimState {
        case won
        /// An earlier request has it.
        case lost(fingerprint: String, exportID: String)
    }

    private let connection: PostgreSQLConnection
    /// The registration of this replica; nil before it has joined for the first time.
    let replica: String?
    private let updates: UpdateTexts
    private var isRegistered = false
    private var tokens: Set<String> = []
    private var rows: [ExportID: SQLRow] = [:]
    private var records: [ExportID: LedgerRecord] = [:]
    /// The webhooks that the writes need, with what earlier writes of the group have staged.
    var webhooks = LockedWebhooks()
    private var claims: [ClaimState?] = []
    private var creations = CreationCounts()
    private var staged: [SQLQuery] = []
    private var results: [SQLRows] = []
    /// Whether a visible change is staged.
    private(set) var hasEvents = false

    init(_ connection: PostgreSQLConnection, replica: String?, updates: UpdateTexts) {
        (self.connection, self.replica, self.updates) = (connection, replica, updates)
    }

    // MARK: The beginning

    /// Begins: locks and reads what the writes need. One round trip, and another one where keys were used before.
    func begin(_ needs: [WriteNeeds], first: [SQLQuery]) throws {
        var queries = [SQLQuery.begin] + first
        let replica = needs.contains(where: \.readsRegistration) ? replica : nil
        if let replica {
            queries.append(SQLQuery(Self.registration, [.text(replica)]))
            queries.append(SQLQuery(Self.leases, [.text(replica)]))
        }
        let countCreations = CreationCounts.queries(needs)
        queries += countCreations
        let keyed = needs.enumerated()
            .compactMap { place, need in need.claim.map { (place: place, claim: $0) } }
            // The same order on all replicas, so that none waits for another that waits for it. It is stable within a key.
            .sorted {
                ($0.claim.caller, $0.claim.idempotency.key, $0.place)
                    < ($1.claim.caller, $1.claim.idempotency.key, $1.place)
            }
        for (_, claim) in keyed { queries += Self.queries(for: claim) }
        let ids = Set(needs.flatMap(\.records))
        if !ids.isEmpty {
            queries.append(SQLQuery(Self.lock, [.textArray(ids.map(\.description).sorted())]))
        }
        let lockWebhooks = LockedWebhooks.queries(needs)
        queries += lockWebhooks
        var answers = try connection.pipeline(queries).dropFirst(1 + first.count)
        if replica != nil {
            isRegistered = answers.removeFirst().count > 0
            tokens = Set(answers.removeFirst().compactMap { $0.text(0) })
        }
        creations = CreationCounts(needs, answers.prefix(countCreations.count))
        answers.removeFirst(countCreations.count)
        claims = Array(repeating: nil, count: needs.count)
        var lost: Set<ExportID> = []
        for (place, claim) in keyed {
            let (won, present) = (answers.removeFirst(), answers.removeFirst())
            if won.count > 0 {
                claims[place] = .won
            } else if let row = present.first {
                claims[place] = .lost(fingerprint: row.text(0) ?? "", exportID: row.text(1) ?? "")
                if row.text(0) == claim.idempotency.fingerprint, let id = ExportID(row.text(1) ?? "") {
                    lost.insert(id)
                }
            }
        }
        if !ids.isEmpty { keep(answers.removeFirst()) }
        webhooks = LockedWebhooks(answers.prefix(lockWebhooks.count))
        lost.subtract(rows.keys)
        if !lost.isEmpty { keep(try connection.query(SQLQuery(Self.read, [.textArray(lost.map(\.description))]))) }
    }

    private func keep(_ found: SQLRows) {
        for row in found { if let id = ExportID(row[.id] as String) { rows[id] = row } }
    }

    private static func queries(for claim: WriteNeeds.Claim) -> [SQLQuery] {
        let key: [SQLValue] = [.text(claim.caller), .text(claim.idempotency.key)]
        return [
            SQLQuery(
                insertClaim,
                key + [
                    .text(claim.idempotency.fingerprint), .text(claim.exportID.description),
                    .integer(claim.createdAt.milliseconds), .integer(claim.since.milliseconds),
                ]
            ),
            SQLQuery(selectClaim, key),
        ]
    }

    private static let registration: SQLStatement =
        "SELECT 1 FROM replica WHERE id = $1 AND expires_at > clock_timestamp()"
    // Whoever claims one of these leases waits until this transaction has ended.
    private static let leases: SQLStatement = """
        SELECT owner || '/' || epoch || '/' || name FROM lease WHERE owner = $1 ORDER BY name FOR SHARE
        """
    // In the order of the ids, so that of two replicas one waits for the other.
    private static let lock = SQLStatement(
        "\(ExportColumn.select) WHERE export.id = ANY($1::text[]) ORDER BY export.id FOR NO KEY UPDATE OF export"
    )
    private static let read = SQLStatement("\(ExportColumn.select) WHERE export.id = ANY($1::text[])")
    private static let insertClaim: SQLStatement = """
        INSERT INTO idempotency (caller, key, fingerprint, export_id, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (caller, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, export_id = excluded.export_id, created_at = excluded.created_at
        WHERE idempotency.created_at < $6 RETURNING 1
        """
    private static let selectClaim: SQLStatement =
        "SELECT fingerprint, export_id FROM idempotency WHERE caller = $1 AND key = $2"

    // MARK: For the writes

    func claim(ofWrite place: Int) -> ClaimState? { claims[place] }

    /// The record with what earlier writes of the group have staged; nil for an unknown export. Only for exports that the write has
    /// named as needed, and those that a lost claim leads to. Throws `LedgerError` (`corrupt`).
    func record(_ id: ExportID) throws -> LedgerRecord? {
        if let record = records[id] { return record }
        guard let record = try rows[id].map({ try $0.record() }) else { return nil }
        records[id] = record
        return record
    }

    /// Whether an export exists that has not ended; it need not be possible to read it.
    func isUnsettled(_ id: ExportID) -> Bool {
        if let record = records[id] { return record.phase != .settled }
        return rows[id].map { $0[.phase] as String != LedgerRecord.Phase.settled.rawValue } ?? false
    }

    /// Whether this replica works on exports with this owner. Before it has joined, there is nobody else.
    func isOwn(_ owner: String?) -> Bool {
        guard let replica else { return true }
        guard isRegistered, let owner else { return false }
        return owner == replica || tokens.contains(owner)
    }

    /// Locks rows by a query of `ExportColumn.select`, reads them, and returns them in their order.
    func lock(_ query: SQLQuery) throws -> SQLRows {
        let found = try self.query(query)
        keep(found)
        return found
    }

    /// Drops the rows and records that were read, where a write goes through many of them. Only for a write that is alone.
    func dropRecords() { (rows, records) = ([:], [:]) }

    /// Adds a statement that is sent with the `COMMIT`.
    func stage(_ query: SQLQuery) { staged.append(query) }

    /// Runs a query in the transaction, after what is staged. An additional round trip.
    func query(_ query: SQLQuery) throws -> SQLRows {
        var answers = try connection.pipeline(staged + [query])
        staged.removeAll()
        let last = answers.removeLast()
        results += answers
        return last
    }

    /// Takes a place for a new export of a caller. Returns the id of the oldest of those that count, where there is none.
    func takePlace(for export: Export, of limit: CreationLimit) -> String? {
        creations.takePlace(for: export, of: limit)
    }

    /// The same for an export that an earlier write of the group was refused.
    func refusal(of id: String) -> String? { creations.refusal(of: id) }

    /// Stores a new export.
    func insert(_ record: LedgerRecord) throws {
        try stage(RecordStatements.insert(record, replica))
        if let entry = record.auditEntry { stage(try AuditStatements.insert(entry)) }
        records[record.export.id] = record.audited
        hasEvents = true
    }

    /// Writes the columns in which `after` differs from `before`, with its event. When that settles the export, its refresh token is
    /// deleted. Throws `LedgerError` (`corrupt`) for a record in which the request is another.
    ///
    /// With `isFenced`, the statement compares the fence and the lease once more, and fails with ``RecordStatements/refused``. It also
    /// fails where it gives the export to this replica, and the registration has expired meanwhile.
    func write(_ after: LedgerRecord, over before: LedgerRecord, isFenced: Bool = false) throws {
        guard after.plan == before.plan, after.export.source == before.export.source else {
            throw LedgerError(.corrupt, "a change may not alter what an export was asked for")
        }
        if let update = try updates.update(after, over: before, isFenced: isFenced, replica) { stage(update) }
        if after.export.revision != before.export.revision {
            stage(RecordStatements.event(after.export, after: before.export, replica))
            hasEvents = true
        }
        for query in RecordStatements.followUps(from: before, to: after) { stage(query) }
        if let entry = after.auditEntry { stage(try AuditStatements.insert(entry)) }
        records[after.export.id] = after.audited
    }

    // MARK: The end

    /// A state to go back to where a write fails before anything of it was sent.
    struct Mark {
        fileprivate var sent: Int
        fileprivate var staged: Int
        fileprivate var records: [ExportID: LedgerRecord]
        fileprivate var webhooks: LockedWebhooks
        fileprivate var creations: CreationCounts
        fileprivate var hasEvents: Bool
    }

    var mark: Mark {
        Mark(
            sent: results.count,
            staged: staged.count,
            records: records,
            webhooks: webhooks,
            creations: creations,
            hasEvents: hasEvents
        )
    }

    /// How many statements were staged so far.
    var count: Int { results.count + staged.count }

    /// Takes back what was staged since. False where that is not possible, because something of it was sent.
    func goBack(to mark: Mark) -> Bool {
        guard results.count == mark.sent else { return false }
        staged.removeSubrange(mark.staged...)
        (records, webhooks, hasEvents) = (mark.records, mark.webhooks, mark.hasEvents)
        creations = mark.creations
        return true
    }

    /// Sends what is staged, and commits. Returns what each staged statement returned.
    func commit() throws -> [SQLRows] {
        let answers = try connection.pipeline(staged + [.commit])
        return results + answers.dropLast()
    }
}
