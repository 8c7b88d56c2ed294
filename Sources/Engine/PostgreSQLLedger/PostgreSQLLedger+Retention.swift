public import ExportLedger
public import Exports
import PostgreSQL

extension PostgreSQLLedger: RetentionStore {
    public func tombstone(_ id: ExportID) async throws -> ExportTombstone? {
        let query = SQLQuery(RetentionStatements.tombstone, [.text(id.description)])
        return try await read { try $0.query(query).first.map { try ExportTombstone.read($0) } }
    }

    public func purge(
        _ id: ExportID,
        at now: Timestamp,
        claimsSince: Timestamp,
        audit: PurgeAudit?
    ) async throws -> PurgeOutcome {
        let outcome = try await writeAlone { connection in
            try connection.transaction { connection -> PurgeOutcome in
                let purge = PostgreSQLPurge(
                    connection: connection,
                    now: now,
                    claimsSince: claimsSince,
                    audit: audit
                )
                guard let row = try purge.lock([id])[id] else { return try Self.absence(of: id, connection) }
                let record = try row.record()
                let findings = try purge.examine([record])
                if let obstacle = findings.obstacle(record) { return .kept(obstacle) }
                guard let tombstone = try purge.purge([record], findings).first else { return .notFound }
                return .purged(tombstone)
            }
        }
        if case .purged = outcome { publisher.publishSoon() }
        return outcome
    }

    /// Why an export could not be locked. Whether it is there is read first: where it is not, its tombstone was stored before.
    private static func absence(of id: ExportID, _ connection: PostgreSQLConnection) throws -> PurgeOutcome {
        let name = SQLValue.text(id.description)
        guard try connection.query(SQLQuery("SELECT 1 FROM export WHERE id = $1", [name])).isEmpty else {
            return .kept(.busy)
        }
        return try connection.query(SQLQuery(RetentionStatements.tombstone, [name])).first
            .map { .gone(try ExportTombstone.read($0)) } ?? .notFound
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
        let (page, leftOut) = try await writeAlone { connection in
            try connection.transaction { connection -> (PurgePage, [UnreadableRow]) in
                let places = try Self.places(of: exports, after: place, limit: limit, connection)
                // Most rounds find nothing, and cost no more than this.
                guard !places.isEmpty else { return (PurgePage(), []) }
                let purge = PostgreSQLPurge(
                    connection: connection,
                    now: now,
                    claimsSince: claimsSince,
                    audit: audit
                )
                let rows = try purge.lock(places.map(\.id))
                var (page, leftOut) = (PurgePage(), [UnreadableRow]())
                var records: [ExportID: LedgerRecord] = [:]
                for place in places {
                    do {
                        guard let record = try rows[place.id]?.record() else {
                            page.keep(for: .busy)
                            continue
                        }
                        if exports.contains(record.export) { records[place.id] = record }
                    } catch let error as LedgerError where error.row != nil {
                        // Whoever wrote the row may be able to read it: it stays.
                        page.keep(for: .unreadable)
                        if let row = error.row { leftOut.append(row) }
                    }
                }
                page.next = places.count == limit ? places.last : nil
                let findings = try purge.examine(Array(records.values))
                let chosen = try Self.choose(places, records, findings, &page)
                page.purged = try purge.purge(chosen, findings)
                return (page, leftOut)
            }
        }
        leftOut.forEach(unreadable.found)
        if !page.purged.isEmpty { publisher.publishSoon() }
        return page
    }

    /// Those of the records that are purged together, in the order of the places.
    private static func choose(
        _ places: [EndedExports.Place],
        _ records: [ExportID: LedgerRecord],
        _ findings: PostgreSQLPurge.Findings,
        _ page: inout PurgePage
    ) throws -> [LedgerRecord] {
        var (chosen, deliveries) = ([LedgerRecord](), 0)
        var last: EndedExports.Place?
        for place in places {
            guard let record = records[place.id] else { continue }
            if let obstacle = findings.obstacle(record) {
                page.keep(for: obstacle)
                continue
            }
            let count = findings.deliveries(of: place.id)
            // An export with many deliveries is purged alone.
            if deliveries > 0, deliveries + count > PurgeLimits.deliveries {
                page.next = last
                return chosen
            }
            deliveries += count
            chosen.append(record)
            last = place
        }
        return chosen
    }

    private static func places(
        of exports: EndedExports,
        after place: EndedExports.Place?,
        limit: Int,
        _ connection: PostgreSQLConnection
    ) throws -> [EndedExports.Place] {
        let values: [SQLValue] = [
            .text(exports.provider.rawValue), .text(exports.status.rawValue), .integer(exports.before.milliseconds),
            .integer(place?.endedAt.milliseconds ?? .min), .text(place?.id.description ?? ""), .integer(Int64(limit)),
        ]
        return try connection.query(SQLQuery(RetentionStatements.ended, values))
            .compactMap { row in
                ExportID(row[0] as String)
                    .map { EndedExports.Place(endedAt: Timestamp(milliseconds: row[1]), id: $0) }
            }
    }

    public func pruneChanges(before time: Timestamp, limit: Int) async throws -> Int {
        guard limit > 0 else { return 0 }
        let place: [SQLValue] = [.integer(Int64(limit)), .integer(time.milliseconds)]
        let now = self.time.now()
        return try await writeAlone { connection in
            try connection.transaction { connection -> Int in
                guard try Self.mayPrune(at: now, connection) else { return 0 }
                let oldest = try connection.query(SQLQuery(RetentionStatements.lastOld, place)).first
                guard let last = oldest?.integer(0) else { return 0 }
                return
                    try
                    connection.pipeline([
                        SQLQuery(RetentionStatements.putChangesAside, [.integer(last)]),
                        SQLQuery(RetentionStatements.deleteChanges, [.integer(last)]),
                    ])[1]
                    .affected
            }
        }
    }

    public func pruneTombstones(before time: Timestamp, limit: Int) async throws -> Int {
        guard limit > 0 else { return 0 }
        let query = SQLQuery(
            RetentionStatements.deleteTombstones,
            [.integer(time.milliseconds), .integer(Int64(limit))]
        )
        let now = self.time.now()
        return try await writeAlone { connection in
            try Self.mayPrune(at: now, connection) ? connection.query(query).affected : 0
        }
    }

    /// False while a replica is registered that does not know that changes may be missing. Throws where the clock is ahead.
    private static func mayPrune(at now: Timestamp, _ connection: PostgreSQLConnection) throws -> Bool {
        let circumstances = SQLQuery(RetentionStatements.circumstances, [.integer(now.milliseconds)])
        return try !PostgreSQLPurge.findsOlderReplica(connection.query(circumstances)[0])
    }

    public func retainedExports() async throws -> Int {
        try await read { Int(try $0.query(SQLQuery(RetentionStatements.retained))[0][0] as Int64) }
    }

    public func usage() async throws -> [String: Int64] {
        try await read { connection in
            try connection.query(SQLQuery(RetentionStatements.usage))
                .reduce(into: [:]) { usage, row in usage[row[0]] = row.integer(1) }
        }
    }

    /// The server gives space back by itself (autovacuum).
    public func reclaim(limit: Int) async throws -> Int { 0 }
}

extension GroupTransaction {
    /// The tombstone of an export; nil where there is none. An additional round trip.
    func tombstone(_ id: String) throws -> ExportTombstone? {
        try query(SQLQuery(RetentionStatements.tombstone, [.text(id)])).first.map { try ExportTombstone.read($0) }
    }
}
