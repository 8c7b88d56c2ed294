@testable import ExportEngine
import ExportLedger
import Exports
import JSON
import Logging
import MetricsTestKit
import PostgreSQL
import PostgreSQLLedger
import TestPostgreSQL
import TestSupport

/// Engines that are replicas on one PostgreSQL database, in front of one scripted upstream. The clocks are real, because that of
/// the database is.
struct ReplicaBench: Sendable {
    let database: TestDatabase
    let provider = ScriptedProvider()
    let connections: [String]
    let settings: EngineSettings

    init(connections: [String] = ["main"], _ change: (inout EngineSettings) -> Void = { _ in }) async throws {
        database = try await TestPostgreSQL.shared().makeDatabase()
        self.connections = connections
        var settings = EngineSettings()
        settings.leaseDuration = .seconds(4)
        settings.reconcileDelay = .milliseconds(100)
        change(&settings)
        self.settings = settings
    }

    /// Another replica, which is registered.
    func replica(
        delegatedOnly: Bool = false,
        secrets: [String: String] = [:]
    ) async throws -> TestReplica {
        let ledger = try await PostgreSQLLedger(
            database.settings,
            randomness: Randomness { .random(in: .min ... .max) }
        )
        var descriptor = ScriptedProvider.descriptor
        descriptor.capabilities.minimumPollInterval = .milliseconds(200)
        descriptor.capabilities.delegatedOnly = delegatedOnly
        descriptor.capabilities.cancel = true
        descriptor.capabilities.reconcile = true
        let metrics = TestMetrics()
        let engine = ExportEngine(
            ledger: ledger,
            connections: connections.map { EngineConnection(name: $0, provider: provider, descriptor: descriptor) },
            descriptors: [descriptor],
            time: SystemTime(),
            settings: settings,
            random: { .random(in: .min ... .max) },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            metrics: metrics,
            sharedSecrets: secrets
        )
        do {
            try await engine.join()
        } catch {
            await ledger.close()
            throw error
        }
        return TestReplica(engine: engine, ledger: ledger, metrics: metrics)
    }

    /// Runs these replicas while `body` runs, then cancels them.
    func running<T: Sendable>(_ replicas: [TestReplica], _ body: () async throws -> T) async throws -> T {
        do {
            let result = try await withThrowingTaskGroup(of: Void.self) { group in
                for replica in replicas { group.addTask { try await replica.engine.run() } }
                let result = try await body()
                group.cancelAll()
                try await group.waitForAll()
                return result
            }
            for replica in replicas { await replica.ledger.close() }
            return result
        } catch {
            for replica in replicas { await replica.ledger.close() }
            throw error
        }
    }

    /// Runs a statement in the database.
    func execute(_ sql: String) throws { try PostgreSQLConnection(database.settings).execute(sql) }
}

/// One of several engines on a database.
struct TestReplica: Sendable {
    let engine: ExportEngine
    let ledger: PostgreSQLLedger
    let metrics: TestMetrics

    /// How many leases it holds, without that of unconfigured connections.
    var heldCount: Int { engine.replica?.held.count { $0.name != Replica.unconfigured } ?? 0 }
    var holdsAll: Bool { heldCount == Set(engine.workers.values.map(\.connection.leaseName)).count }

    func create(on connection: String = "main", _ viewer: Viewer = .owner()) async throws -> ExportID {
        let draft = ExportDraft(
            provider: ScriptedProvider.descriptor.id,
            connection: connection,
            name: "Name",
            options: [:],
            idempotency: nil
        )
        return try await engine.create(draft, for: viewer).export.id
    }

    func record(_ id: ExportID) async throws -> LedgerRecord? { try await ledger.record(id) }

    /// Waits as a caller does until the export has this status.
    func until(_ id: ExportID, _ status: ExportStatus) async throws {
        var export = try await engine.export(id, for: .owner(), refresh: false)
        while export.status != status {
            try Task.checkCancellation()
            export = try await engine.export(
                id,
                for: .owner(),
                changedFrom: export.revision,
                within: .seconds(30)
            )
        }
    }
}
