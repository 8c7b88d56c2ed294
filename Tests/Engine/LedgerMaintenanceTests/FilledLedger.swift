import Audit
import ExportLedger
import Exports
import Foundation
import GRDB
import JSON
import TestSupport
import Webhooks

/// A ledger with rows in all tables.
struct FilledLedger {
    static let epoch = Timestamp(milliseconds: 1_780_000_000_000)

    /// Makes `count` exports in the file: new ones, running ones, failed ones, and successes with deliveries.
    static func make(_ path: String, exports count: Int = 40) async throws {
        let ledger = try SQLiteLedger(path: path)
        defer { ledger.close() }
        for number in 0..<count { try await add(number, to: ledger) }
        try await addWebhooks(to: ledger)
        try await addAuditTrail(to: ledger)
        try await ledger.database.write { database in
            try database.execute(
                sql: "INSERT INTO export_tombstone (id, created_by, status, time) VALUES (?, 'alice', 'succeeded', 1)",
                arguments: [id(at: epoch).description]
            )
            try database.execute(
                sql: """
                    INSERT INTO export_event_retained (sequence, export_id, created_by, revision, status, is_final, time)
                        SELECT 0, max(id), 'alice', 1, 'notStarted', 0, 1 FROM export
                    """
            )
            try database.execute(sql: "INSERT INTO audit_rejected SELECT * FROM audit_pending")
        }
    }

    private static func add(_ number: Int, to ledger: SQLiteLedger) async throws {
        let record = record(number)
        let key = Idempotency(key: "key \(number) 'quoted'", fingerprint: "f\(number)")
        _ = try await ledger.insert(record, idempotency: number % 3 == 0 ? key : nil, claimsSince: epoch)
        let id = record.export.id
        guard number % 4 > 0 else {
            _ = try await ledger.updateRefreshToken(of: id) { $0 = [0, 255, UInt8(number % 256)] }
            return
        }
        _ = try await ledger.update(id, fence: 1) { record in
            record.phase = .tracking
            record.reference = UpstreamReference(id: "job-\(number)")
            record.export.status = .running
            record.export.percentComplete = number
            record.export.revision += 1
        }
        guard number % 4 > 1 else { return }
        _ = try await ledger.update(id, fence: 1) { record in
            record.phase = .settled
            record.export.status = number % 4 == 2 ? .failed : .succeeded
            record.export.completedAt = record.export.createdAt
            record.export.files = number % 4 == 2 ? [] : [ExportFile(id: "1", name: "ü \"\\ \n.pdf", size: 7)]
            record.export.revision += 1
        }
        guard number % 4 == 3 else { return }
        let delivery = Delivery(
            id: Self.id(at: record.export.createdAt),
            exportID: id,
            fileID: "1",
            caller: "alice",
            requestID: "r\(number)",
            startedAt: record.export.createdAt,
            endedAt: nil,
            coding: "identity",
            outcome: .underWay
        )
        _ = try await ledger.begin(delivery)
    }

    static let auditKey = AuditKey(SecretBytes(Array(1...32)))!

    static func entry(_ seconds: Int) -> AuditEntry {
        auditKey.stamp(
            AuditEntry(
                id: id(at: epoch + .seconds(seconds)),
                time: epoch + .seconds(seconds),
                action: .ticket,
                outcome: .succeeded,
                caller: seconds % 2 == 0 ? "alice" : nil,
                address: "2001:db8::1",
                requestID: nil,
                exportID: id(at: epoch),
                details: ["ü": "\"\\"]
            )
        )
    }

    /// A chain whose first rows were deleted, and an entry that waits. The same one counts as rejected.
    private static func addAuditTrail(to ledger: SQLiteLedger) async throws {
        let random = Randomness { .random(in: .min ... .max) }
        @Sendable func chain(after head: AuditHead?) -> AuditChain {
            AuditChain(after: head, key: auditKey, olderKeys: [], at: epoch, random: random)
        }
        try await ledger.append((0..<6).map(entry))
        _ = try await ledger.sealAudit(after: 0, limit: 9) { ends, entries, known in
            var chain = chain(after: ends.head)
            return chain.seal(entries, known: known, in: ends)
        }
        _ = try await ledger.trimAudit(limit: 2) { oldest in
            var chain = chain(after: oldest.head)
            return chain.trim(oldest, before: epoch + .seconds(2))
        }
        try await ledger.append([entry(9)])
    }

    /// Two webhooks, with messages that were delivered, that are claimed, and that wait.
    private static func addWebhooks(to ledger: SQLiteLedger) async throws {
        for name in ["first", "second"] {
            var webhook = Webhook(
                id: id(at: epoch),
                createdBy: "alice",
                seesAll: true,
                url: "https://receiver.example/\(name)",
                label: name == "first" ? nil : "ü \"\\",
                types: [.created, .failed],
                provider: ProviderID("power-bi"),
                connection: nil,
                createdAt: epoch,
                sealedSecrets: [0, 255, 7],
                position: 3
            )
            webhook.failingSince = name == "first" ? epoch : nil
            _ = try await ledger.insert(webhook, limit: 9)
            let export = id(at: epoch)
            let messages = (0..<4)
                .map { number in
                    WebhookMessage(
                        webhookID: webhook.id,
                        id: "\(name) \(number)",
                        exportID: number == 3 ? nil : export,
                        type: .created,
                        time: epoch,
                        body: [0x7B, 0, 255, UInt8(number)],
                        dueAt: epoch
                    )
                }
            _ = try await ledger.add(messages, to: webhook.id, position: (3, 9, 1))
        }
        let ready = try await ledger.claimableWebhooks(at: epoch, perWebhook: 9, limit: 9)
        let claimed = try await ledger.claimMessages(
            of: Dictionary(uniqueKeysWithValues: ready.map { ($0.id, 9) }),
            at: epoch,
            until: epoch + .seconds(60),
            perWebhook: 9
        )
        for var message in claimed.prefix(2) {
            (message.state, message.lastAttemptAt, message.lastStatus) = (.delivered, epoch, 204)
            _ = try await ledger.end(message) { $1.failingSince = nil }
        }
    }

    /// Ends what can be claimed of a ledger, one message after the other. Returns the ids in the order of the claims.
    static func claims(of ledger: some WebhookStore) async throws -> [String] {
        var names: [String] = []
        let now = epoch + .seconds(60)
        while let next = try await ledger.claimableWebhooks(at: now, perWebhook: 1, limit: 1).first,
            let message =
                try await ledger.claimMessages(
                    of: [next.id: 1],
                    at: now,
                    until: epoch + .seconds(120),
                    perWebhook: 1
                )
                .first
        {
            names.append("\(message.number) \(message.id) \(message.attempts) \(message.body)")
            var ended = message
            ended.state = .delivered
            _ = try await ledger.end(ended) { _, _ in }
        }
        return names
    }

    private static func record(_ number: Int) -> LedgerRecord {
        let time = epoch + .seconds(number)
        return LedgerRecord(
            export: Export(
                id: id(at: time),
                provider: ProviderID("power-bi"),
                connection: "main",
                name: "Quarter ☃ \u{1F4C8}",
                createdAt: time,
                createdBy: "alice",
                source: ["number": .number(Double(number)), "empty": ""]
            ),
            plan: ExportPlan(source: ["format": "PDF"], suggestedName: "")
        )
    }

    static func id(at time: Timestamp) -> ExportID {
        var generator = SystemRandomNumberGenerator()
        return ExportID(at: time, random: &generator)
    }
}
