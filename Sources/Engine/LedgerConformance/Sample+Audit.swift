import Audit
import ExportLedger
import Exports

extension Sample {
    static let auditKey = makeAuditKey(from: 1)
    /// The key of another replica.
    static let otherAuditKey = makeAuditKey(from: 2)

    private static func makeAuditKey(from first: UInt8) -> AuditKey {
        guard let key = AuditKey(SecretBytes((0..<32).map { first + $0 })) else {
            preconditionFailure("a key has 32 bytes")
        }
        return key
    }

    /// An entry that the gateway has made.
    static func entry(
        _ seconds: Int = 0,
        _ action: AuditAction = .ticket,
        by caller: String? = "alice",
        of export: ExportID? = nil,
        key: AuditKey = Sample.auditKey
    ) -> AuditEntry {
        key.stamp(
            AuditEntry(
                id: id(seconds),
                time: time(seconds),
                action: action,
                outcome: .succeeded,
                caller: caller,
                address: "192.0.2.1",
                requestID: "r\(seconds)",
                exportID: export,
                details: ["file": "ü \"a\\b\"", "bytes": "\(seconds)"]
            )
        )
    }

    /// What a verification says of a trail.
    static func findings(
        _ rows: [AuditRow],
        after anchor: AuditAnchor? = nil,
        heads: [AuditHead] = []
    ) -> [AuditFinding] {
        var verification = AuditVerification(.trail(anchor), keys: AuditKeys([auditKey]), heads: heads)
        for row in rows { verification.check(row) }
        verification.finish()
        return verification.findings
    }

    fileprivate static let random = Randomness { .random(in: .min ... .max) }
}

extension AuditStore {
    /// Looks once at entries to be sealed with the key of the samples.
    func seal(after number: Int64 = 0, limit: Int = 100, others: [AuditKey] = []) async throws -> AuditSealed? {
        try await sealAudit(after: number, limit: limit) { ends, entries, known in
            var chain = AuditChain(
                after: ends.head,
                key: Sample.auditKey,
                olderKeys: others,
                at: Sample.time(500),
                random: Sample.random
            )
            return chain.seal(entries, known: known, in: ends)
        }
    }

    /// Seals until nothing waits any more.
    func sealAll(limit: Int = 100) async throws {
        // Another one may be sealing at this moment.
        while try await auditBacklog().count > 0 { _ = try await seal(limit: limit) }
    }

    /// Deletes the oldest rows once.
    func trim(before seconds: Int, limit: Int = 100) async throws -> AuditTrimOutcome {
        try await trimAudit(limit: limit) { oldest in
            var chain = AuditChain(
                after: oldest.head,
                key: Sample.auditKey,
                olderKeys: [],
                at: Sample.time(600),
                random: Sample.random
            )
            return chain.trim(oldest, before: Sample.time(seconds))
        }
    }

    /// The whole chain.
    func chain() async throws -> [AuditRow] { try await auditRows(after: 0, limit: 1_000).rows }
}
