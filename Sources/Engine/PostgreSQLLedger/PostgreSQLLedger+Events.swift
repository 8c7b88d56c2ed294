public import ExportLedger
public import Exports
import PostgreSQL

extension PostgreSQLLedger {
    public func events(after sequence: Int64, limit: Int) async throws -> [RecordedEvent] {
        let limit = max(0, limit)
        var stored = try await storedEvents(after: sequence, limit: limit)
        if stored.isPending, stored.rows.count < limit {
            // Changes that were committed before this call have no number yet.
            try await publisher.publish()
            stored = try await storedEvents(after: sequence, limit: limit)
        }
        return Array(events(stored).prefix(limit))
    }

    /// With one for all that are not stored any more.
    private func events(_ stored: StoredEvents) -> [RecordedEvent] {
        (stored.missing.map { [.unreadable(position: $0)] } ?? []) + stored.rows.map { event($0) }
    }

    public func lastSequence() async throws -> Int64 {
        try await publisher.publish()
        return try await read { try $0.query(SQLQuery(Self.last)) }[0][0]
    }

    public func eventRange() async throws -> ChangeRange {
        try await publisher.publish()
        let answers = try await read { try $0.pipeline([SQLQuery(Self.first), SQLQuery(Self.last)]) }
        return ChangeRange(first: answers[0].first?.integer(0), last: answers[1].first?.integer(0) ?? 0)
    }

    public func nextChanges(after sequence: Int64, limit: Int, patience: Duration) async throws -> ReplicaChanges {
        let limit = max(1, limit)
        let end = time.elapsed() + patience
        var through = sequence
        while true {
            try await feed.listening(within: max(end - time.elapsed(), .seconds(1)))
            let stored = try await storedEvents(after: through, limit: limit)
            let rows = stored.rows
            let own = registration.id
            let others = rows.filter { own == nil || $0.text(Self.replicaColumn) != own }
            through = rows.last.map { $0[0] } ?? stored.missing ?? through
            let isLate = time.elapsed() >= end
            if !others.isEmpty || stored.missing != nil || isLate {
                return ReplicaChanges(
                    events: (stored.missing.map { [.unreadable(position: $0)] } ?? []) + others.map { event($0) },
                    through: through,
                    hasMore: rows.count == limit
                )
            }
            if rows.count == limit { continue }
            try await feed.wait(after: through, for: end - time.elapsed())
            // A replica that has ended may have left changes that nobody has published.
            if time.elapsed() >= end, try await isAnythingPending() { try await publisher.publish() }
        }
    }

    /// The events that are published.
    private struct StoredEvents {
        var rows: SQLRows
        /// Whether there are others.
        var isPending: Bool
        /// The last one before them that is not stored any more; nil where all are.
        var missing: Int64?
    }

    private func storedEvents(after sequence: Int64, limit: Int) async throws -> StoredEvents {
        let query = SQLQuery(Self.selectEvents, [.integer(sequence), .integer(Int64(limit))])
        // In this order: what is not pending any more can be read then. And where no row is left after the last number was read, all up
        // to that number were deleted.
        let answers = try await read {
            try $0.pipeline([SQLQuery(Self.pending), query, SQLQuery(Self.last), SQLQuery(Self.first)])
        }
        let rows = answers[1]
        // The numbers have no gap.
        let range = ChangeRange(
            first: rows.first?.integer(0) ?? answers[3].first?.integer(0),
            last: answers[2].first?.integer(0) ?? 0
        )
        return StoredEvents(
            rows: rows,
            isPending: answers[0].count > 0,
            missing: range.lastMissing(after: sequence)
        )
    }

    private func isAnythingPending() async throws -> Bool {
        try await read { try $0.query(SQLQuery(Self.pending)) }.count > 0
    }

    private func event(_ row: SQLRow) -> RecordedEvent {
        do {
            return .change(try ExportChange.read(row))
        } catch {
            if let row = (error as? LedgerError)?.row { unreadable.found(row) }
            return .unreadable(position: row[0])
        }
    }

    static let pending: SQLStatement = "SELECT key FROM export_event_pending ORDER BY key LIMIT 1"
    private static let first: SQLStatement = "SELECT min(sequence) FROM export_event"
    private static let last: SQLStatement = "SELECT sequence FROM export_event_last"
    private static let selectEvents = SQLStatement(
        "SELECT sequence, \(ExportChange.names), replica FROM export_event WHERE sequence > $1 ORDER BY sequence LIMIT $2"
    )
    private static let replicaColumn = ExportChange.columns.count + 1
}
