public import ExportLedger
import Exports
import PostgreSQL

extension PostgreSQLLedger: ReplicatedLedger {
    public func join(
        lifetime: Duration,
        leases: [String: Set<LeasedConnection>],
        secrets: [String: String]
    ) async throws -> ReplicaView {
        let former = registration.id
        let value = Registration.Value(
            id: "\(randomness.newID(at: time.now()))",
            lifetime: lifetime,
            leases: leases.keys.sorted()
        )
        let view = try await control { connection in
            try connection.transaction { connection in
                // One joins at a time, so that secrets are compared with all others.
                try Self.waitToJoin(connection, isFirst: former == nil)
                try Self.refuseUnfinishedCopy(connection)
                if let former { try Self.end(former, succeededBy: value.id, connection) }
                _ = try connection.query("DELETE FROM replica WHERE expires_at <= clock_timestamp()")
                try Self.compare(secrets, connection)
                _ = try connection.pipeline(Self.registration(value, leases, secrets))
                return Self.view(value, try connection.pipeline(Self.viewing(value)))
            }
        }
        registration.set(value)
        return view
    }

    public func renew() async throws -> ReplicaView? {
        guard let value = registration.value, !value.isDropped else { return nil }
        let renewal = SQLQuery(Self.renewal, [.text(value.id), .integer(value.lifetime.milliseconds)])
        // Without `BEGIN`, they are one transaction.
        let answers = try await control { connection in
            try connection.pipeline([renewal] + Self.viewing(value))
        }
        guard answers[0].affected == 1 else { return nil }
        // A replica that has ended may have left changes that nobody has published. Apart, because it must not cost the renewal.
        let pending = try? await control { try $0.query(SQLQuery(Self.pending)) }
        if pending.map({ $0.count > 0 }) ?? false { publisher.publishSoon() }
        return Self.view(value, Array(answers[1...2]))
    }

    public func claim(_ names: [String]) async throws -> [HeldLease] {
        guard let value = registration.value, !value.isDropped else { return [] }
        let names = SQLValue.textArray(names.sorted())
        let answers = try await control { connection in
            try connection.pipeline([
                .begin, SQLQuery(Self.lockLeases, [names]),
                SQLQuery(Self.claimLeases, [.text(value.id), names]), .commit,
            ])
        }
        return answers[2].map { HeldLease(name: $0[0], replica: value.id, epoch: $0[1]) }.sorted { $0.name < $1.name }
    }

    public func free(_ lease: HeldLease) async throws {
        try await end(
            lease.replica,
            [
                SQLQuery(Self.freeLease, [.text(lease.name), .text(lease.replica), .integer(lease.epoch)])
            ]
        )
    }

    public func retire() async throws {
        guard let value = registration.value else { return }
        _ = try await control { try $0.query(SQLQuery(Self.retirement, [.text(value.id)])) }
    }

    private static let retirement: SQLStatement = "DELETE FROM replica_lease WHERE replica = $1"

    public func leave() async throws {
        guard let value = registration.value else { return }
        registration.drop()
        try await end(
            value.id,
            [
                SQLQuery(Self.freeLeases, [.text(value.id)]), SQLQuery(Self.unregister, [.text(value.id)]),
            ]
        )
    }

    public func send(_ message: ReplicaMessage) async throws {
        let payload = message.payload
        guard payload.utf8.count < 8000,
            ![message.from, message.to ?? "", message.topic].contains(where: { $0.contains("\n") })
        else { throw LedgerError(.unavailable, "a message of \(payload.utf8.count) bytes cannot be sent") }
        _ = try await control { try $0.query(Self.notification(payload)) }
    }

    public func receive(_ handler: @escaping @Sendable (ReplicaMessage) -> Void) {
        // Where the process has no threads left, messages are lost, and `nextChanges` says why.
        try? feed.receive(handler)
    }

    /// Runs what ends something that others wait for, and tells them.
    private func end(_ replica: String, _ queries: [SQLQuery]) async throws {
        let message = ReplicaMessage(from: replica, to: nil, topic: ReplicaMessage.leases, body: "")
        _ = try await control { try $0.pipeline(queries + [Self.notification(message.payload)]) }
    }

    private func control<T: Sendable>(_ body: @escaping @Sendable (PostgreSQLConnection) throws -> T) async throws -> T
    {
        do {
            return try await control.run(body)
        } catch {
            throw wrap(error, isWriting: true)
        }
    }

    // MARK: Statements

    /// Held while a replica joins.
    static let joining: Int64 = 0x6578_706F_7274_0002

    private static func notification(_ payload: String) -> SQLQuery {
        SQLQuery("SELECT pg_notify($1, $2)", [.text(ChangeFeed.messages), .text(payload)])
    }

    /// Ends a registration of this process. What it carries out itself goes on.
    private static func end(_ former: String, succeededBy id: String, _ connection: PostgreSQLConnection) throws {
        _ = try connection.pipeline([
            SQLQuery(
                "UPDATE delivery SET replica = $2 WHERE replica = $1 AND outcome = 'underWay'",
                [.text(former), .text(id)]
            ),
            SQLQuery(freeLeases, [.text(former)]), SQLQuery(unregister, [.text(former)]),
        ])
    }

    /// Throws `StartupError` where a live replica has another digest under one of these keys.
    private static func compare(_ secrets: [String: String], _ connection: PostgreSQLConnection) throws {
        let rows = try connection.query(
            """
            SELECT DISTINCT key, digest FROM replica_secret JOIN replica ON replica.id = replica_secret.replica
            WHERE replica.expires_at > clock_timestamp() ORDER BY key
            """
        )
        for row in rows {
            let (key, digest): (String, String) = (row[0], row[1])
            guard let own = secrets[key], own != digest else { continue }
            throw StartupError(
                key,
                "Another replica on this database has another value. All replicas must have the same."
            )
        }
    }

    private static func registration(
        _ value: Registration.Value,
        _ leases: [String: Set<LeasedConnection>],
        _ secrets: [String: String]
    ) -> [SQLQuery] {
        let id = SQLValue.text(value.id)
        let connections = leases.sorted { $0.key < $1.key }
            .flatMap { name, connections in connections.map { (name, $0.provider.rawValue, $0.connection) } }
        let digests = secrets.sorted { $0.key < $1.key }
        let names = SQLValue.textArray(value.leases)
        return [
            SQLQuery(register, [id, .integer(value.lifetime.milliseconds)]),
            SQLQuery("INSERT INTO replica_lease (replica, lease) SELECT $1, unnest($2::text[])", [id, names]),
            SQLQuery(
                """
                INSERT INTO replica_connection (replica, lease, provider, connection)
                SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[])
                """,
                [
                    id, .textArray(connections.map(\.0)), .textArray(connections.map(\.1)),
                    .textArray(connections.map(\.2)),
                ]
            ),
            SQLQuery(
                "INSERT INTO replica_secret (replica, key, digest) SELECT $1, * FROM unnest($2::text[], $3::text[])",
                [id, .textArray(digests.map(\.key)), .textArray(digests.map(\.value))]
            ),
            SQLQuery("INSERT INTO lease (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", [names]),
        ]
    }

    private static let register = SQLStatement(
        """
        INSERT INTO replica (id, expires_at, knows)
            VALUES ($1, clock_timestamp() + $2 * interval '1 millisecond', \(Schema.tombstoneVersion))
        """
    )
    private static let unregister: SQLStatement = "DELETE FROM replica WHERE id = $1"
    private static let renewal: SQLStatement = """
        UPDATE replica SET expires_at = clock_timestamp() + $2 * interval '1 millisecond'
        WHERE id = $1 AND expires_at > clock_timestamp()
        """
    // In their order, so that of two replicas one waits for the other.
    private static let lockLeases: SQLStatement =
        "SELECT 1 FROM lease WHERE name = ANY($1::text[]) ORDER BY name FOR NO KEY UPDATE"
    private static let claimLeases: SQLStatement = """
        UPDATE lease SET owner = $1, epoch = epoch + 1, changed_at = clock_timestamp()
        WHERE name = ANY($2::text[])
            AND EXISTS (SELECT 1 FROM replica WHERE replica.id = $1 AND replica.expires_at > clock_timestamp())
            AND EXISTS (SELECT 1 FROM replica_lease WHERE replica_lease.replica = $1 AND replica_lease.lease = lease.name)
            AND NOT EXISTS (
                SELECT 1 FROM replica WHERE replica.id = lease.owner AND replica.expires_at > clock_timestamp()
            )
        RETURNING name, epoch
        """
    private static let freeLease: SQLStatement = """
        UPDATE lease SET owner = NULL, changed_at = clock_timestamp() WHERE name = $1 AND owner = $2 AND epoch = $3
        """
    private static let freeLeases: SQLStatement =
        "UPDATE lease SET owner = NULL, changed_at = clock_timestamp() WHERE owner = $1"

    private static func viewing(_ value: Registration.Value) -> [SQLQuery] {
        [
            SQLQuery(
                """
                SELECT id, EXISTS (SELECT FROM replica_lease WHERE replica = id) FROM replica
                WHERE expires_at > clock_timestamp() ORDER BY id
                """
            ),
            SQLQuery(
                """
                SELECT lease.name, replica.id, lease.epoch FROM lease LEFT JOIN replica
                ON replica.id = lease.owner AND replica.expires_at > clock_timestamp()
                WHERE lease.name = ANY($1::text[]) ORDER BY lease.name
                """,
                [.textArray(value.leases)]
            ),
        ]
    }

    private static func view(_ value: Registration.Value, _ answers: [SQLRows]) -> ReplicaView {
        ReplicaView(
            id: value.id,
            replicas: answers[0].map { $0[0] },
            candidates: answers[0].filter { $0.boolean(1) == true }.map { $0[0] },
            leases: answers[1].map { ReplicaView.Lease(name: $0[0], holder: $0[1], epoch: $0[2]) }
        )
    }
}
