import Audit
@testable import ExportLedger
import Exports
import GRDB
import Logging
import ManualClock
import MetricsTestKit
import TestLedger
import TestSupport

@testable import AuditEngine

/// A trail on a ledger in a file, with a clock that the test moves.
struct TrailBench {
    /// Gets what is sealed and told.
    final class Sink: AuditSink {
        let rows = Events<AuditRow>()
        let heads = Events<AuditHead>()

        func take(_ rows: [AuditRow]) { for row in rows { self.rows.add(row) } }
        func take(_ head: AuditHead) { heads.add(head) }
    }

    let time = ManualTime()
    let metrics = TestMetrics()
    let sink = Sink()
    let ledger: SQLiteLedger
    let trail: AuditTrail
    let directory: TemporaryDirectory

    var headFile: String { directory.file("heads.ndjson") }

    init(
        _ ledger: SQLiteLedger? = nil,
        key byte: UInt8 = 7,
        others: [AuditKey] = [],
        told: AuditHead? = nil,
        _ change: (inout AuditSettings) -> Void = { _ in }
    ) throws {
        let ledger = try ledger ?? SQLiteLedger.temporary()
        self.ledger = ledger
        directory = try TemporaryDirectory()
        var settings = AuditSettings()
        change(&settings)
        trail = AuditTrail(
            store: ledger,
            keys: AuditTrail.Keys(key: Self.key(byte), others: others),
            settings: settings,
            headFile: try HeadFile(path: directory.file("heads.ndjson")),
            told: told,
            sinks: [sink],
            time: time,
            random: { .random(in: .min ... .max) },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            metrics: metrics
        )
    }

    static func key(_ byte: UInt8) -> AuditKey {
        guard let key = AuditKey(SecretBytes(Array(repeating: byte, count: 32))) else {
            preconditionFailure("a key has 32 bytes")
        }
        return key
    }

    /// An entry that a gateway with a key has made.
    func entry(key byte: UInt8 = 7) -> AuditEntry {
        AuditWriter(key: Self.key(byte), time: time, random: Randomness { .random(in: .min ... .max) })
            .entry(.create, .succeeded, by: AuditOrigin(caller: "bob"))
    }

    /// One that nobody with the key has made.
    func forgedEntry() -> AuditEntry {
        let entry = entry()
        return AuditEntry(
            id: entry.id,
            time: entry.time,
            action: entry.action,
            outcome: entry.outcome,
            caller: "mallory",
            stamp: entry.stamp,
            keyID: entry.keyID
        )
    }

    /// Runs the trail while `body` does.
    func running(_ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await trail.run() }
            try await body()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// Seals so many rows, the first about the key, and tells the head.
    func filled(_ count: Int) async throws {
        try await running {
            try await record(count - 1)
            await sink.rows.reach(count)
        }
    }

    func deny(_ count: Int, _ caller: String? = "alice") {
        for _ in 0..<count {
            trail.denied(
                AuditDenial(
                    origin: AuditOrigin(caller: caller, address: "192.0.2.1", requestID: "r"),
                    code: .forbidden,
                    request: "GET /exports",
                    exportID: nil
                )
            )
        }
    }

    func chain() async throws -> [AuditRow] { try await ledger.auditRows(after: 0, limit: 10_000).rows }

    /// What somebody does who can write to the database, and has no key.
    func change(_ statement: String) async throws {
        try await ledger.database.write { try $0.execute(sql: statement) }
    }

    func number(_ query: String) async throws -> Int? {
        try await ledger.database.read { try Int.fetchOne($0, sql: query) }
    }

    func count(_ name: String, _ dimensions: [(String, String)] = []) throws -> Int64 {
        try metrics.expectCounter("export_gateway_audit_\(name)_total", dimensions).totalValue
    }

    func record(_ count: Int) async throws {
        for _ in 0..<count {
            try await trail.record(.ticket, .succeeded, by: AuditOrigin(caller: "alice"), of: nil, ["file": "1"])
        }
    }
}
