import Audit
import TestLedger
import TestSupport
@testable import ExportEngine
import ExportLedger
import Exports
import JSON
import Logging
import ManualClock
import Metrics
import MetricsTestKit
import Spans
import SystemCrypto
import Testing

/// What deletes rows of the audit trail.
struct AuditTrimmer: Sendable {
    var trim: @Sendable (_ before: Timestamp, _ limit: Int) async throws -> AuditTrimOutcome
}

/// An engine on a ledger in a file, a scripted upstream, and a clock that the test moves.
struct Bench: Sendable {
    let time: ManualTime
    let provider: ScriptedProvider
    let ledger: any ExportLedger
    let metrics = TestMetrics()
    let engine: ExportEngine
    /// Fired when the engine has taken over everything that former engines left.
    let takenOver = Signal()
    let descriptor: ProviderDescriptor
    /// With these, the connection keeps refresh tokens.
    let sealingKeys: SealingKeys?

    /// A bench of its own.
    init(
        settings: EngineSettings = EngineSettings(),
        ledger: (any ExportLedger)? = nil,
        sealingKeys: SealingKeys? = nil,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        traces: GatewayTracer.Settings? = nil,
        audit: AuditKey? = nil,
        trimmer: AuditTrimmer = AuditTrimmer { _, _ in .nothing },
        _ declare: (inout ProviderCapabilities) -> Void = { _ in }
    ) throws {
        var descriptor = ScriptedProvider.descriptor
        declare(&descriptor.capabilities)
        let time = ManualTime()
        let random = Randomness { .random(in: .min ... .max) }
        try self.init(
            provider: ScriptedProvider(),
            ledger: ledger ?? SQLiteLedger.temporary(),
            time: time,
            settings: settings,
            descriptor: descriptor,
            sealingKeys: sealingKeys,
            keepsRefreshTokens: sealingKeys != nil,
            logger: logger,
            tracer: traces.map { GatewayTracer($0, time: time, random: random) } ?? GatewayTracer(),
            audit: audit.map { key in
                EngineAudit(writer: AuditWriter(key: key, time: time, random: random), trim: trimmer.trim)
            }
        )
    }

    private init(
        provider: ScriptedProvider,
        ledger: any ExportLedger,
        time: ManualTime,
        settings: EngineSettings,
        descriptor: ProviderDescriptor,
        sealingKeys: SealingKeys?,
        keepsRefreshTokens: Bool,
        logger: Logger,
        tracer: GatewayTracer,
        audit: EngineAudit?
    ) throws {
        self.time = time
        self.provider = provider
        self.ledger = ledger
        self.descriptor = descriptor
        self.sealingKeys = sealingKeys
        let takenOver = takenOver
        engine = ExportEngine(
            ledger: ledger,
            connections: [
                EngineConnection(
                    name: "main",
                    provider: provider,
                    descriptor: descriptor,
                    keepsRefreshTokens: keepsRefreshTokens,
                    leaveLine: { work in provider.left.add(work) }
                )
            ],
            sealingKeys: sealingKeys,
            descriptors: [descriptor],
            time: time,
            settings: settings,
            random: { UInt64.random(in: .min ... .max) },
            logger: logger,
            metrics: metrics,
            tracer: tracer,
            audit: audit,
            onTakenOver: { takenOver.fire() }
        )
    }

    /// The gateway started again: the same upstream and the same ledger, nothing else.
    func restarted(
        on ledger: (any ExportLedger)? = nil,
        sealingKeys: SealingKeys? = nil,
        keepsRefreshTokens: Bool? = nil
    ) throws -> Bench {
        let sealingKeys = sealingKeys ?? self.sealingKeys
        return try Bench(
            provider: provider,
            ledger: ledger ?? self.ledger,
            time: time,
            settings: engine.settings,
            descriptor: descriptor,
            sealingKeys: sealingKeys,
            keepsRefreshTokens: keepsRefreshTokens ?? (sealingKeys != nil),
            logger: engine.logger,
            tracer: engine.tracer,
            audit: engine.audit
        )
    }

    /// Runs the engine while `body` runs, then cancels it.
    func running<T: Sendable>(_ body: () async throws -> T) async throws -> T {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await engine.run() }
            let result = try await body()
            group.cancelAll()
            try await group.waitForAll()
            return result
        }
    }

    /// Runs an engine on the same ledger whose configuration has no connection any more, until it has found the export and
    /// sealed its token again.
    func runWithoutConnection(until id: ExportID, sealingKeys: SealingKeys? = nil) async throws {
        let orphaned = ExportEngine(
            ledger: ledger,
            connections: [],
            sealingKeys: sealingKeys,
            descriptors: [descriptor],
            time: time,
            random: { UInt64.random(in: .min ... .max) },
            logger: engine.logger,
            metrics: metrics
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await orphaned.run() }
            try await eventually { try await record(id).export.notice?.code == .unavailable }
            // Sealed again right after that.
            try await eventually {
                guard let keys = sealingKeys, let sealed = try await ledger.refreshToken(of: id) else { return true }
                return !keys.isOutdated(sealed)
            }
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    func draft(_ options: JSONValue = [:], key: Idempotency? = nil) -> ExportDraft {
        ExportDraft(
            provider: descriptor.id,
            name: "Name",
            options: options,
            idempotency: key
        )
    }

    func create(_ options: JSONValue = [:], token: String? = nil) async throws -> ExportID {
        try await engine.create(draft(options), for: .owner(token)).export.id
    }

    /// The deliveries of an export, for somebody who sees all exports.
    func deliveries(of id: ExportID, requestID: String? = nil, after: ExportID? = nil) async throws -> [Delivery] {
        try await engine.deliveries(of: id, for: .auditor(), requestID: requestID, after: after, limit: 9).deliveries
    }

    func record(_ id: ExportID) async throws -> LedgerRecord {
        try #require(try await ledger.record(id))
    }

    /// The record as soon as it meets `condition`, without moving the clock.
    func until(_ id: ExportID, _ condition: @Sendable (LedgerRecord) -> Bool) async throws -> LedgerRecord {
        try await engine.changes.watching(id) { signal in
            while true {
                let record = try await record(id)
                if condition(record) { return record }
                await signal.wait()
            }
        }
    }

    /// The record as soon as it meets `condition`. The clock moves on by `step` whenever the engine has nothing to do
    /// but wait for it: the maintenance and the connection worker pause.
    func drive(
        _ id: ExportID,
        by step: Duration = .seconds(1),
        until condition: @Sendable (LedgerRecord) -> Bool = { $0.phase == .settled }
    ) async throws -> LedgerRecord {
        try await engine.changes.watching(id) { signal in
            try await time.firing(signal) {
                while true {
                    let record = try await record(id)
                    if condition(record) { return record }
                    try Task.checkCancellation()
                    if time.pauseCount >= 2 { time.advance(by: step) } else { await signal.wait() }
                }
            }
        }
    }

    /// Returns when the engine has nothing to do but wait for the clock.
    func idle() async { await time.pauses(atLeast: 2) }

    /// Returns when the connection worker has let go of an export: it has ended, or belongs to another engine.
    func letGo(of id: ExportID) async { await provider.left.wait { $0.contains(.export(id)) } }

    func counter(_ label: String, _ dimensions: [(String, String)]) -> Int64? {
        try? metrics.expectCounter(label, dimensions).totalValue
    }
}

extension Viewer {
    /// The owner of a bench's exports.
    static func owner(_ token: String? = nil) -> Viewer { caller("alice", token) }

    /// Somebody who sees all exports and owns none.
    static func auditor(_ token: String? = nil) -> Viewer { caller("auditor", seesAll: true, token) }

    static func caller(_ id: String, seesAll: Bool = false, _ token: String? = nil) -> Viewer {
        Viewer(.caller(id, seesAll: seesAll), token: token.map { Secret($0) }, downloadToken: nil)
    }
}

extension LedgerRecord {
    var isTracked: Bool { phase == .tracking }
    var isSettled: Bool { phase == .settled }
}
