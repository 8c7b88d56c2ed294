import ExportLedger
import Exports
import PostgreSQL

/// The statements that purge exports.
///
/// **Locks.** Exports are locked before anything else, as by every other transaction, but without waiting: an export that another
/// transaction works on is passed over. So are exports whose measurement is locked. Messages and webhooks are only read. A transaction
/// that purges therefore waits for no other one, and nobody can wait for it in a circle. Whoever stores that a delivery begins locks its
/// export against deletion (`FOR KEY SHARE`): either the delivery is seen here, or the export is not seen there.
enum RetentionStatements {
    static let tombstone = SQLStatement("SELECT \(ExportTombstone.names) FROM export_tombstone WHERE id = $1")
    static let retained: SQLStatement = "SELECT count(*) FROM export WHERE retained_at IS NOT NULL"

    // MARK: Candidates

    private static let mayBePurged = """
        provider = $1 AND status = $2 AND phase = 'settled' AND retained_at IS NULL AND recovering_since IS NULL
        """
    /// Two ranges of the index, because a comparison of rows would limit the first column only.
    static let ended = SQLStatement(
        """
        SELECT id, completed_at FROM (
            (SELECT id, completed_at FROM export
                WHERE \(mayBePurged) AND completed_at = $4 AND completed_at < $3 AND id > $5
                ORDER BY completed_at, id LIMIT $6)
            UNION ALL
            (SELECT id, completed_at FROM export
                WHERE \(mayBePurged) AND completed_at > $4 AND completed_at < $3
                ORDER BY completed_at, id LIMIT $6)
        ) AS place ORDER BY completed_at, id LIMIT $6
        """
    )
    static let lock = SQLStatement(
        """
        \(ExportColumn.select) WHERE export.id = ANY($1::text[]) ORDER BY export.id
            FOR UPDATE OF export SKIP LOCKED
        """
    )

    // MARK: Obstacles

    /// How far this process's clock is ahead of the server's, in milliseconds; and whether a live replica knows no tombstones.
    static let circumstances = SQLStatement(
        """
        SELECT $1::bigint - (extract(epoch FROM clock_timestamp()) * 1000)::bigint, EXISTS (
            SELECT 1 FROM replica WHERE expires_at > clock_timestamp() AND knows < \(Schema.tombstoneVersion)
        )
        """
    )
    /// Of all deliveries that are under way, of which there are few: an export may have many that have ended. The order fixes the index.
    static let beingDelivered: SQLStatement = """
        WITH running AS MATERIALIZED (
            SELECT export_id FROM delivery WHERE outcome = 'underWay' ORDER BY replica
        )
        SELECT DISTINCT export_id FROM running WHERE export_id = ANY($1::text[])
        """
    static let beingMeasured: SQLStatement = """
        WITH locked AS MATERIALIZED (
            SELECT export_id FROM measurement WHERE export_id = ANY($1::text[]) FOR UPDATE SKIP LOCKED
        )
        SELECT export_id FROM measurement
            WHERE export_id = ANY($1::text[]) AND export_id NOT IN (SELECT export_id FROM locked)
        """
    /// Of webhooks that exist. Those with pending messages are enumerated with one lookup for each ("loose index scan"). The order fixes
    /// the index, which has pending messages only.
    static let pending: SQLStatement = """
        WITH RECURSIVE busy(id) AS (
            (SELECT webhook_id FROM webhook_message WHERE state = 'pending'
                ORDER BY webhook_id, coalesce(export_id, ''), number LIMIT 1)
            UNION ALL
            SELECT (
                SELECT webhook_id FROM webhook_message WHERE state = 'pending' AND webhook_id > busy.id
                    ORDER BY webhook_id, coalesce(export_id, ''), number LIMIT 1
            ) FROM busy WHERE busy.id IS NOT NULL
        )
        SELECT DISTINCT wanted.id FROM busy CROSS JOIN LATERAL (
            SELECT id FROM webhook WHERE webhook.id = busy.id LIMIT 1
        ) AS webhook CROSS JOIN unnest($1::text[]) AS wanted(id) CROSS JOIN LATERAL (
            SELECT 1 FROM webhook_message
                WHERE webhook_id = webhook.id AND coalesce(export_id, '') = wanted.id AND state = 'pending' LIMIT 1
        ) AS found
        """
    /// The exports with changes that an enabled webhook has not read, or that have no number yet.
    static let unread: SQLStatement = """
        WITH place AS MATERIALIZED (SELECT min(position) AS position FROM webhook WHERE state = 'enabled')
        (SELECT export_id FROM export_event
            WHERE sequence > (SELECT position FROM place) ORDER BY sequence LIMIT $1)
        UNION ALL
        (SELECT export_id FROM export_event_pending
            WHERE (SELECT position FROM place) IS NOT NULL ORDER BY key LIMIT $1)
        """
    /// Claims by the time of their exports, which they have.
    static let claimed: SQLStatement = """
        SELECT wanted.id FROM unnest($1::text[], $2::bigint[]) AS wanted(id, created_at) CROSS JOIN LATERAL (
            SELECT 1 FROM idempotency WHERE created_at = wanted.created_at AND export_id = wanted.id LIMIT 1
        ) AS found
        """
    static let deliveries: SQLStatement = """
        SELECT wanted.id, found.count FROM unnest($1::text[]) AS wanted(id) CROSS JOIN LATERAL (
            SELECT count(*) AS count FROM (SELECT 1 FROM delivery WHERE export_id = wanted.id LIMIT $2) AS one
        ) AS found
        """

    // MARK: Deletions

    /// What belongs to exports, and at last the exports.
    static let deletions: [SQLStatement] = [
        "DELETE FROM delivery WHERE export_id = ANY($1::text[])",
        "DELETE FROM measurement WHERE export_id = ANY($1::text[])",
        "DELETE FROM refresh_token WHERE export_id = ANY($1::text[])",
        "DELETE FROM export_event_retained WHERE export_id = ANY($1::text[])",
        "DELETE FROM export_request WHERE id = ANY($1::text[])",
        "DELETE FROM export WHERE id = ANY($1::text[])",
    ]
    private static let insertTombstone = SQLStatement(
        """
        INSERT INTO export_tombstone (\(ExportTombstone.names))
            VALUES (\(RecordStatements.marks(1...ExportTombstone.columns.count)))
        """
    )

    /// Stores a tombstone, and the change that tells of it. The change is nobody's own, so that this replica is told of it too.
    static func insert(_ tombstone: ExportTombstone, revision: Int64) throws -> [SQLQuery] {
        let values = try zip(tombstone.values, ExportTombstone.columns).map { try SQLValue(checked: $0, $1) }
        let change = ExportChange(position: 0, purging: tombstone, revision: revision)
        return [SQLQuery(insertTombstone, values), RecordStatements.event(change, nil)]
    }

    // MARK: Changes and tombstones

    /// All changes before it were committed before it, so they are as old, whatever their clocks said.
    static let lastOld: SQLStatement = """
        SELECT max(sequence) FROM (
            SELECT sequence, time FROM export_event
                WHERE sequence <= coalesce(
                    (SELECT min(position) FROM webhook WHERE state = 'enabled'), 9223372036854775807
                )
                ORDER BY sequence LIMIT $1
        ) AS oldest WHERE time < $2
        """
    /// The exports are locked against deletion, in the order of their ids: either their purge sees these rows, or it is over.
    static let putChangesAside = SQLStatement(
        """
        WITH retained AS MATERIALIZED (
            SELECT id FROM export
                WHERE id = ANY (ARRAY(SELECT export_id FROM export_event WHERE sequence <= $1)) AND retained_at IS NOT NULL
                ORDER BY id FOR KEY SHARE
        )
        INSERT INTO export_event_retained (sequence, \(ExportChange.names))
            SELECT sequence, \(ExportChange.columns.map { "change.\($0)" }.joined(separator: ", "))
            FROM export_event AS change JOIN retained ON retained.id = change.export_id
            WHERE sequence <= $1
            ON CONFLICT (export_id, sequence) DO NOTHING
        """
    )
    static let deleteChanges: SQLStatement = "DELETE FROM export_event WHERE sequence <= $1"
    static let deleteTombstones: SQLStatement = """
        DELETE FROM export_tombstone WHERE id = ANY (ARRAY(
            SELECT id FROM export_tombstone
                WHERE time < least(
                    $1, coalesce((SELECT time FROM export_event ORDER BY sequence LIMIT 1), 9223372036854775807)
                )
                ORDER BY time LIMIT $2
        ))
        """

    // MARK: Space

    /// The size of a table with its indexes is read from the file system, not from the rows.
    static let usage = SQLStatement(
        """
        SELECT name, pg_total_relation_size(to_regclass(name)) FROM unnest(ARRAY[
            \(tables.map { "'\($0)'" }.joined(separator: ", "))
        ]) AS of(name) WHERE to_regclass(name) IS NOT NULL
        """
    )
    private static let tables = [
        "export", "export_request", "export_event", "export_event_retained", "export_tombstone", "delivery",
        "idempotency",
        "webhook_message", "audit_row", "audit_pending", "audit_rejected",
    ]
}
