import Audit
import Exports
import ManualClock

/// A chain of a test.
struct Trail {
    static let time = ManualTime()
    let key: AuditKey
    var rows: [AuditRow] = []
    private let random = Randomness { .random(in: .min ... .max) }

    init(key byte: UInt8 = 7) { key = Self.key(byte) }

    static func key(_ byte: UInt8) -> AuditKey {
        guard let key = AuditKey(SecretBytes(Array(repeating: byte, count: 32))) else {
            preconditionFailure("a key has 32 bytes")
        }
        return key
    }

    var writer: AuditWriter { AuditWriter(key: key, time: Self.time, random: random) }

    func entry(
        _ action: AuditAction = .create,
        _ caller: String? = "alice",
        at time: Timestamp? = nil
    ) -> AuditEntry {
        writer.entry(
            action,
            .succeeded,
            at: time,
            by: AuditOrigin(caller: caller, address: "192.0.2.1", requestID: "r"),
            of: random.newID(at: Self.time.now()),
            ["name": "ü \"\\", "nothing": nil]
        )
    }

    /// Seals entries at the end.
    @discardableResult
    mutating func seal(
        _ entries: [AuditEntry],
        with other: AuditKey? = nil,
        known: Set<ExportID> = [],
        after anchor: AuditAnchor? = nil,
        former: AuditAnchor? = nil
    ) -> AuditChain.Batch {
        let ends = AuditEnds(head: rows.last.map { AuditHead($0) }, first: rows.first?.sequence, anchor: anchor)
        var chain = AuditChain(
            after: ends.head,
            key: other ?? key,
            olderKeys: other == nil ? [] : [key],
            at: Self.time.now(),
            random: random
        )
        let batch = chain.seal(entries, known: known, in: ends, after: former)
        rows += batch.rows
        return batch
    }

    /// What a verification finds.
    func findings(
        _ rows: [AuditRow]? = nil,
        _ subject: AuditVerification.Subject = .trail(nil),
        keys: [AuditKey]? = nil,
        heads: [AuditHead] = []
    ) -> [AuditFinding.Kind] {
        var verification = AuditVerification(subject, keys: AuditKeys(keys ?? [key]), heads: heads)
        for row in rows ?? self.rows { verification.check(row) }
        verification.finish()
        return verification.findings.map(\.kind)
    }
}

extension AuditEntry {
    /// The same with another caller and the stamp as it was, as somebody without the key would write it.
    func altered() -> AuditEntry {
        AuditEntry(
            id: id,
            time: time,
            action: action,
            outcome: outcome,
            caller: "mallory",
            details: details,
            stamp: stamp,
            keyID: keyID
        )
    }
}

extension AuditRow {
    /// The same with another caller, as somebody without the key would write it.
    func altered(
        caller: String? = "mallory",
        time: Timestamp? = nil,
        sequence: Int64? = nil,
        previous: [UInt8]? = nil,
        code: [UInt8]? = nil
    ) -> AuditRow {
        AuditRow(
            sequence: sequence ?? self.sequence,
            entry: AuditEntry(
                id: entry.id,
                time: time ?? entry.time,
                action: entry.action,
                outcome: entry.outcome,
                caller: caller,
                address: entry.address,
                requestID: entry.requestID,
                exportID: entry.exportID,
                details: entry.details
            ),
            previous: previous ?? self.previous,
            keyID: keyID,
            code: code ?? self.code
        )
    }
}
