public import Exports
import GRDB

extension SQLiteLedger: RetentionStore {
    public func tombstone(_ id: ExportID) async throws -> ExportTombstone? {
        try await read { try Self.tombstone(id, in: $0) }
    }

    static func tombstone(_ id: ExportID, in database: Database) throws -> ExportTombstone? {
        let statement = try database.cachedStatement(sql: selectTombstone)
        return try Row.fetchOne(statement, arguments: [id.description])
            .map { try ExportTombstone.read(SQLiteRow(row: $0)) }
    }

    public func purge(
        _ id: ExportID,
        at now: Timestamp,
        claimsSince: Timestamp,
        audit: PurgeAudit?
    ) async throws -> PurgeOutcome {
        try await write { database in
            guard let record = try Self.record(id, in: database) else {
                return try Self.tombstone(id, in: database).map(PurgeOutcome.gone) ?? .notFound
            }
            let purge = try SQLitePurge(database, at: now, claimsSince: claimsSince, audit: audit)
            if let obstacle = try purge.obstacle(record) { return .kept(obstacle) }
            return .purged(try purge.purge(record))
        }
    }

    public func purge(
        _ exports: EndedExports,
        at now: Timestamp,
        claimsSince: Timestamp,
        after place: EndedExports.Place?,
        limit: Int,
        audit: PurgeAudit?
    ) async throws -> PurgePage {
        guard limit > 0 else { return PurgePage() }
        let (page, leftOut) = try await writeAlone { database -> (PurgePage, [UnreadableRow]) in
            let places = try Self.places(of: exports, after: place, limit: limit, in: database)
            // Most rounds find nothing, and cost no more than this.
            guard !places.isEmpty else { return (PurgePage(), []) }
            let purge = try SQLitePurge(database, at: now, claimsSince: claimsSince, audit: audit)
            var (page, leftOut) = (PurgePage(), [UnreadableRow]())
            var deliveries = 0
            for place in places {
                do {
                    guard let record = try Self.record(place.id, in: database), exports.contains(record.export) else {
                        continue
                    }
                    if let obstacle = try purge.obstacle(record) {
                        page.keep(for: obstacle)
                        continue
                    }
                    let count = try purge.deliveries(of: place.id)
                    // An export with many deliveries is purged alone.
                    if deliveries > 0, deliveries + count > PurgeLimits.deliveries { return (page, leftOut) }
                    deliveries += count
                    page.purged.append(try purge.purge(record))
                    page.next = place
                } catch let error as LedgerError where error.row != nil {
                    // Whoever wrote the row may be able to read it: it stays.
                    page.keep(for: .unreadable)
                    if let row = error.row { leftOut.append(row) }
                }
            }
            page.next = places.count == limit ? places.last : nil
            return (page, leftOut)
        }
        leftOut.forEach(unreadable.found)
        return page
    }

    private static func places(
        of exports: EndedExports,
        after place: EndedExports.Place?,
        limit: Int,
        in database: Database
    ) throws -> [EndedExports.Place] {
        let arguments: StatementArguments = [
            exports.provider.rawValue, exports.status.rawValue, exports.before.milliseconds,
            place?.endedAt.milliseconds ?? .min, place?.id.description ?? "", limit,
        ]
        return try Row.fetchAll(database.cachedStatement(sql: selectEnded), arguments: arguments)
            .compactMap { row in
                ExportID(row[0] as String)
                    .map { EndedExports.Place(endedAt: Timestamp(milliseconds: row[1]), id: $0) }
            }
    }

    public func pruneChanges(before time: Timestamp, limit: Int) async throws -> Int {
        guard limit > 0 else { return 0 }
        return try await writeAlone { database in
            let last = try Int64.fetchOne(
                database.cachedStatement(sql: Self.selectLastOld),
                arguments: [limit, time.milliseconds]
            )
            guard let last else { return 0 }
            try database.execute(sql: Self.putChangesAside, arguments: [last])
            try database.execute(sql: "DELETE FROM export_event WHERE sequence <= ?", arguments: [last])
            return database.changesCount
        }
    }

    public func pruneTombstones(before time: Timestamp, limit: Int) async throws -> Int {
        guard limit > 0 else { return 0 }
        return try await writeAlone { database in
            try database.execute(sql: Self.deleteTombstones, arguments: [time.milliseconds, limit])
            return database.changesCount
        }
    }

    public func retainedExports() async throws -> Int {
        try await read { try Int.fetchOne($0, sql: Self.countRetained) ?? 0 }
    }

    // MARK: Space

    public func usage() async throws -> [String: Int64] {
        let (pages, free, size) = try await read { database in
            (
                try Int64.fetchOne(database, sql: "PRAGMA page_count") ?? 0,
                try Int64.fetchOne(database, sql: "PRAGMA freelist_count") ?? 0,
                try Int64.fetchOne(database, sql: "PRAGMA page_size") ?? 0
            )
        }
        return ["file": pages * size, "free": free * size, "log": logBytes]
    }

    public func reclaim(limit: Int) async throws -> Int {
        guard limit > 0 else { return 0 }
        do {
            return try await database.writeWithoutTransaction { database in
                guard try Int.fetchOne(database, sql: "PRAGMA auto_vacuum") == Self.incremental else { return 0 }
                let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
                let free = try Int.fetchOne(database, sql: "PRAGMA freelist_count") ?? 0
                let count = min(limit, free - max(Self.spare, pages / 20))
                guard count > 0 else { return 0 }
                try database.execute(sql: "PRAGMA incremental_vacuum(\(count))")
                return count
            }
        } catch {
            throw wrap(error, isWriting: true)
        }
    }

    /// The value of `PRAGMA auto_vacuum` for a file that gives pages back when it is told to.
    private static let incremental = 2
    /// So many free pages are kept, and a twentieth of the file: the next exports use them again.
    private static let spare = 1_000

    // MARK: Statements

    private static let selectTombstone = "SELECT \(ExportTombstone.names) FROM export_tombstone WHERE id = ?"
    static let selectEnded = """
        SELECT id, completed_at FROM export INDEXED BY export_ended
            WHERE provider = ?1 AND status = ?2 AND phase = 'settled' AND retained_at IS NULL
                AND recovering_since IS NULL AND completed_at < ?3 AND (completed_at, id) > (?4, ?5)
            ORDER BY completed_at, id LIMIT ?6
        """
    /// All changes before it were committed before it, so they are as old, whatever their clocks said.
    static let selectLastOld = """
        SELECT max(sequence) FROM (
            SELECT sequence, time FROM export_event
                WHERE sequence <= coalesce(
                    (SELECT min(position) FROM webhook WHERE state = 'enabled'), 9223372036854775807
                )
                ORDER BY sequence LIMIT ?1
        ) WHERE time < ?2
        """
    static let putChangesAside = """
        INSERT INTO export_event_retained (sequence, \(ExportChange.names))
            SELECT sequence, \(ExportChange.columns.map { "change.\($0)" }.joined(separator: ", "))
            FROM export_event AS change CROSS JOIN export INDEXED BY export_retained
                ON export.id = change.export_id AND export.retained_at IS NOT NULL
            WHERE sequence <= ?
        """
    static let deleteTombstones = """
        DELETE FROM export_tombstone WHERE id IN (
            SELECT id FROM export_tombstone INDEXED BY export_tombstone_by_time
                WHERE time < min(
                    ?1, coalesce((SELECT time FROM export_event ORDER BY sequence LIMIT 1), 9223372036854775807)
                )
                ORDER BY time LIMIT ?2
        )
        """
    static let countRetained = "SELECT count(*) FROM export INDEXED BY export_retained WHERE retained_at IS NOT NULL"
}

extension ChangeRange {
    /// The last change after a position that is not stored any more; nil where all are.
    package func lastMissing(after position: Int64) -> Int64? {
        let last = first.map { $0 - 1 } ?? last
        return last > 0 && position < last ? last : nil
    }
}
