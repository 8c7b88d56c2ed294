import Exports
import GRDB

/// Purges exports in one transaction. There is one writer, so what it has read there stays so to its end.
struct SQLitePurge {
    let database: Database
    let now: Timestamp
    let claimsSince: Timestamp
    private let audit: PurgeAudit?
    /// The exports with changes that an enabled webhook has not read; nil where they are too many to be read.
    private let unread: Set<String>?
    /// The webhooks that have pending messages.
    private let busy: [String]

    init(_ database: Database, at now: Timestamp, claimsSince: Timestamp, audit: PurgeAudit?) throws {
        (self.database, self.now, self.claimsSince, self.audit) = (database, now, claimsSince, audit)
        busy = try String.fetchAll(database.cachedStatement(sql: Self.busyWebhooks))
        let unread = try String.fetchAll(
            database.cachedStatement(sql: Self.unreadChanges),
            arguments: [PurgeLimits.unreadChanges + 1]
        )
        self.unread = unread.count > PurgeLimits.unreadChanges ? nil : Set(unread)
    }

    /// What stands in the way of purging an export; nil where nothing does.
    func obstacle(_ record: LedgerRecord) throws -> PurgeObstacle? {
        if let obstacle = record.purgeObstacle { return obstacle }
        let id = record.export.id.description
        if try holds(Self.isBeingDelivered, [id]) { return .deliveryUnderWay }
        guard let unread, !unread.contains(id) else { return .webhooksBehind }
        for webhook in busy where try holds(Self.isPending, [webhook, id]) { return .webhooksBehind }
        // A claim is made with its export, and has the time of it.
        let created = record.export.createdAt
        if created >= claimsSince, try holds(Self.isClaimed, [created.milliseconds, id]) { return .idempotencyKey }
        return nil
    }

    /// How many deliveries an export has, counted up to a limit.
    func deliveries(of id: ExportID) throws -> Int {
        let limit = PurgeLimits.deliveries + 1
        let arguments: StatementArguments = [id.description, limit]
        return try Int.fetchOne(database.cachedStatement(sql: Self.countDeliveries), arguments: arguments) ?? 0
    }

    /// Deletes an export without an obstacle, and leaves its tombstone.
    func purge(_ record: LedgerRecord) throws -> ExportTombstone {
        let tombstone = record.tombstone(at: now)
        for statement in Self.deletions {
            try database.cachedStatement(sql: statement).execute(arguments: [tombstone.id.description])
        }
        guard database.changesCount == 1 else { throw LedgerError(.corrupt, "an export that is purged is not there") }
        try database.cachedStatement(sql: Self.insertTombstone)
            .execute(arguments: StatementArguments(tombstone.values.map(\.databaseValue)))
        try ExportChange(position: 0, purging: tombstone, revision: record.export.revision).insert(in: database)
        try audit?(tombstone).insert(in: database)
        return tombstone
    }

    private func holds(_ condition: String, _ arguments: StatementArguments) throws -> Bool {
        try Bool.fetchOne(database.cachedStatement(sql: "SELECT EXISTS (\(condition))"), arguments: arguments) ?? false
    }

    // MARK: Statements

    /// Selects the webhooks with pending messages, one lookup for each ("loose index scan"). What is left of deleted webhooks does not
    /// count.
    static let busyWebhooks = """
        WITH RECURSIVE busy(id) AS (
            SELECT min(webhook_id) FROM webhook_message WHERE state = 'pending'
            UNION ALL
            SELECT (SELECT min(webhook_id) FROM webhook_message WHERE state = 'pending' AND webhook_id > busy.id)
            FROM busy WHERE busy.id IS NOT NULL
        )
        SELECT webhook.id FROM busy CROSS JOIN webhook ON webhook.id = busy.id
        """
    static let unreadChanges = """
        SELECT export_id FROM export_event
            WHERE sequence > (SELECT min(position) FROM webhook WHERE state = 'enabled') ORDER BY sequence LIMIT ?
        """
    static let isBeingDelivered = """
        SELECT 1 FROM delivery INDEXED BY delivery_under_way WHERE export_id = ? AND outcome = 'underWay'
        """
    static let isPending = """
        SELECT 1 FROM webhook_message INDEXED BY webhook_message_pending
            WHERE webhook_id = ? AND coalesce(export_id, '') = ? AND state = 'pending'
        """
    static let isClaimed = """
        SELECT 1 FROM idempotency INDEXED BY idempotency_by_age WHERE created_at = ? AND export_id = ?
        """
    static let countDeliveries = "SELECT count(*) FROM (SELECT 1 FROM delivery WHERE export_id = ? LIMIT ?)"
    /// What belongs to an export, and at last the export.
    static let deletions = [
        "DELETE FROM delivery WHERE export_id = ?", "DELETE FROM measurement WHERE export_id = ?",
        "DELETE FROM refresh_token WHERE export_id = ?", "DELETE FROM export_event_retained WHERE export_id = ?",
        "DELETE FROM export_request WHERE key = (SELECT key FROM export WHERE id = ?)",
        "DELETE FROM export WHERE id = ?",
    ]
    private static let insertTombstone = """
        INSERT INTO export_tombstone (\(ExportTombstone.names))
            VALUES (\(ExportTombstone.columns.map { _ in "?" }.joined(separator: ", ")))
        """
}
