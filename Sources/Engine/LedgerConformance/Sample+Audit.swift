import Audit
import ExportLedger
import Exports

extension Sample {
    static let auditKey: AuditKey = {
        guard let key = AuditKey(SecretBytes(Array(1...32))) else { preconditionFailure("a key has 32 bytes") }
        return key
    }()

    /// An entry that the gateway has made.
    static func entry(
        _ seconds: Int = 0,
        _ action: AuditAction = .ticket,
        by caller: String? = "alice",
        of export: ExportID? = nil
    ) -> AuditEntry {
        auditKey.stamp(
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
    /// Seals entries once, with the key of the samples.
    func seal(limit: Int = 100) async throws -> AuditChain.Batch? {
        try await sealAudit(limit: limit) { head, entries, known in
            var chain = AuditChain(
                after: head,
                key: Sample.auditKey,
                olderKeys: [],
                at: Sample.time(500),
                random: Sample.random
            )
            return chain.seal(entries, known: known)
        }
    }

    /// Seals until nothing waits any more.
    func sealAll(limit: Int = 100) async throws {
        // Another one may be sealing at this moment.
        while try await auditBacklog().count > 0 { _ = try await seal(limit: limit) }
    }

    /// Deletes the oldest rows once.
    func trim(before seconds: Int, limit: Int = 100) async throws -> Int {
        try await trimAudit(before: Sample.time(seconds), limit: limit) { head, last in
            var chain = AuditChain(
                after: head,
                key: Sample.auditKey,
                olderKeys: [],
                at: Sample.time(600),
                random: Sample.random
            )
            return (chain.trim(through: last), Sample.auditKey.anchor(last, at: Sample.time(600)))
        }
    }

    /// The whole chain.
    func chain() async throws -> [AuditRow] { try await auditRows(after: 0, limit: 1_000).rows }
}
