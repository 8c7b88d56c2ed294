public import Exports
import PostgreSQL

// The places of downloads. The table is not logged: a crash of the server empties it, and ends no download.
extension PostgreSQLLedger {
    public func takeDownloadPlace(_ id: ExportID, of caller: String, limit: Int) async throws -> Bool {
        guard let replica = registration.id else { return false }
        let answers = try await writeAlone { connection in
            try connection.pipeline([
                .begin,
                // A crash empties the table, so that nobody has to wait for the disk or a standby.
                "SET LOCAL synchronous_commit = off",
                // One at a time for each caller, so that the count holds until the commit.
                SQLQuery(Self.lockCaller, [.text(caller)]),
                SQLQuery(
                    Self.takePlace,
                    [.text("\(id)"), .text(replica), .text(caller), .integer(Int64(limit))]
                ),
                .commit,
            ])
        }
        return answers[3].affected == 1
    }

    public func giveBackDownloadPlaces(_ ids: [ExportID]) async throws {
        _ = try await writeAlone {
            try $0.query(SQLQuery(Self.giveBack, [.textArray(ids.map { "\($0)" })]))
        }
    }

    private static let lockCaller: SQLStatement = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))"

    // Places of replicas whose registration has expired do not count.
    private static let takePlace: SQLStatement = """
        INSERT INTO download_place (id, replica, caller)
        SELECT $1, $2, $3
        WHERE (
            SELECT count(*) FROM download_place p JOIN replica r ON r.id = p.replica
            WHERE p.caller = $3 AND r.expires_at > clock_timestamp()
        ) < $4
        """

    private static let giveBack: SQLStatement = "DELETE FROM download_place WHERE id = ANY($1)"
}
