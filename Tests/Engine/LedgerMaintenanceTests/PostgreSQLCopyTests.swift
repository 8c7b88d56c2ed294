import ExportLedger
import Exports
import Foundation
@testable import LedgerMaintenance
import PostgreSQL
import PostgreSQLLedger
import TestPostgreSQL
import TestSupport
import Testing
import Webhooks

@Suite struct PostgreSQLCopyTests {
    private let directory: TemporaryDirectory
    private let random = Randomness { .random(in: .min ... .max) }
    private var source: String { directory.file("source.sqlite") }

    init() throws { directory = try TemporaryDirectory() }

    private func copy(
        _ source: String,
        _ target: String,
        report: (LedgerCopy.Step) throws -> Void = { _ in }
    ) async throws -> [LedgerCopy.Comparison] {
        try await LedgerCopy.run(from: LedgerPlace(source), to: LedgerPlace(target), random: random, report: report)
    }

    private func startupError(_ body: () async throws -> Void) async -> StartupError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? StartupError
        }
    }

    /// A ledger as a gateway opens it.
    private func open(_ database: TestDatabase) async throws -> PostgreSQLLedger {
        try await PostgreSQLLedger(database.settings, randomness: random)
    }

    private func join(_ ledger: PostgreSQLLedger) async throws {
        _ = try await ledger.join(lifetime: .seconds(10), leases: [:], secrets: [:])
    }

    @Test func aLedgerGoesThereAndBack() async throws {
        try await FilledLedger.make(source)
        let database = try await TestPostgreSQL.shared().makeDatabase()
        let there = try await copy(source, database.uri)
        #expect(there.map(\.table) == LedgerTable.all.map(\.name))
        #expect(there.allSatisfy { $0.rows > 0 && $0.sourceDigest == $0.targetDigest })
        #expect(try LedgerPlace(database.uri).check().filter { !$0.isGood } == [])
        let other = directory.file("other.sqlite")
        let back = try await copy(database.uri, other)
        #expect(back.map(\.targetDigest) == there.map(\.sourceDigest))
        #expect(try LedgerPlace(other).check().filter { !$0.isGood } == [])
    }

    @Test func aGatewayGoesOnWithTheCopy() async throws {
        try await FilledLedger.make(source)
        let database = try await TestPostgreSQL.shared().makeDatabase()
        _ = try await copy(source, database.uri)
        let (old, new) = (try SQLiteLedger(path: source), try await open(database))
        let claims = try await FilledLedger.claims(of: new)
        #expect(claims.count == 6)
        #expect(try await FilledLedger.claims(of: old) == claims)
        // The numbers of messages go on.
        let webhooks = try await new.webhooks(of: nil, after: nil, limit: 9)
        let message = WebhookMessage(
            webhookID: webhooks[0].id,
            id: "new",
            exportID: nil,
            type: .test,
            time: FilledLedger.epoch,
            body: [],
            dueAt: FilledLedger.epoch
        )
        #expect(try await new.add([message], to: webhooks[0].id, position: nil))
        #expect(try await new.message("new", of: webhooks[0].id)?.number == 9)
        let before = try await old.events(after: 0, limit: 1000)
        #expect(try await new.events(after: 0, limit: 1000) == before)
        for event in before {
            guard case .change(let change) = event else { continue }
            let record = try await new.record(change.exportID)
            #expect(try await old.record(change.exportID) == record)
        }
        try await join(new)
        // The index of the jobs is filled.
        let jobs = try await new.claims(
            on: ["job-3"],
            of: ProviderID("power-bi"),
            connection: "main",
            except: FilledLedger.id(at: FilledLedger.epoch)
        )
        #expect(jobs.boundIDs == ["job-3"])
        try await new.leave()
        await new.close()
    }

    @Test func changesWithoutANumberGetOne() async throws {
        try await FilledLedger.make(source)
        let database = try await TestPostgreSQL.shared().makeDatabase()
        _ = try await copy(source, database.uri)
        let connection = try PostgreSQLConnection(database.settings)
        try connection.execute(
            """
            INSERT INTO export_event_pending (revision, is_final, time, export_id, created_by, status)
                SELECT revision + 1, 0, 1, id, created_by, status FROM export;
            UPDATE export SET revision = revision + 1
            """
        )
        #expect(try LedgerPlace(database.uri).check().filter { !$0.isGood } == [])
        let target = directory.file("target.sqlite")
        _ = try await copy(database.uri, target)
        #expect(try LedgerPlace(target).check().filter { !$0.isGood } == [])
    }

    @Test func anInterruptedCopyGoesOn() async throws {
        try await FilledLedger.make(source)
        let database = try await TestPostgreSQL.shared().makeDatabase()
        struct Ended: Error {}
        var steps = 0
        while true {
            var before = 0
            do {
                _ = try await copy(source, database.uri) { _ in
                    before += 1
                    if before > steps { throw Ended() }
                }
                break
            } catch is Ended {
                steps += 1
                let ledger = try await open(database)
                let error = await startupError { try await join(ledger) }
                #expect(error?.key == "ledger.url")
                #expect(error?.detail.contains("not finished") == true)
                await ledger.close()
            }
        }
        #expect(steps > LedgerTable.all.count)
        #expect(try LedgerPlace(database.uri).check().filter { !$0.isGood } == [])
    }

    @Test func gatewaysAndCopiesExcludeEachOther() async throws {
        try await FilledLedger.make(source)
        let database = try await TestPostgreSQL.shared().makeDatabase()
        let ledger = try await open(database)
        try await join(ledger)
        let error = await startupError { _ = try await copy(source, database.uri) }
        #expect(error?.key == "--to")
        #expect(error?.detail.contains("Stop all of them") == true)
        try await ledger.leave()
        await ledger.close()
        _ = try await copy(source, database.uri) { step in
            guard step == .completing else { return }
            var settings = try database.settings
            settings.lockTimeout = .milliseconds(100)
            let connection = try PostgreSQLConnection(settings)
            #expect(throws: StartupError.self) { try PostgreSQLLedger.excludeReplicas(connection) }
        }
        let connection = try PostgreSQLConnection(database.settings)
        try PostgreSQLLedger.excludeReplicas(connection)
        let late = try await open(database)
        let refusal = await startupError { try await join(late) }
        #expect(refusal?.key == "ledger.url")
        #expect(refusal?.detail.contains("ledger copy") == true)
        connection.close()
        try await join(late)
        try await late.leave()
        await late.close()
    }

    /// The server notices a moment later that a client was killed.
    @Test func aCopyWaitsForTheEndOfOneThatWasKilled() async throws {
        let database = try await TestPostgreSQL.shared().makeDatabase()
        let first = try PostgreSQLConnection(database.settings)
        try PostgreSQLLedger.excludeReplicas(first)
        let interval = try first.query("SHOW client_connection_check_interval")[0].text(0)
        #expect(interval == "1s")
        let observer = try PostgreSQLConnection(database.settings)
        let second = Task.detached {
            try PostgreSQLLedger.excludeReplicas(PostgreSQLConnection(database.settings))
        }
        try await eventually {
            try
                !observer.query(
                    """
                    SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'
                    """
                )
                .isEmpty
        }
        first.close()
        try await second.value
    }

    @Test func anEmptyDatabaseIsNoSource() async throws {
        let database = try await TestPostgreSQL.shared().makeDatabase()
        let error = await startupError { _ = try await copy(database.uri, directory.file("target.sqlite")) }
        #expect(error?.key == "--from")
        #expect(throws: StartupError.self) { try LedgerPlace(database.uri).check() }
    }

    @Test(arguments: [
        ("DELETE FROM export_request WHERE id = (SELECT min(id) FROM export)", ["export", "export"]),
        ("DELETE FROM delivery; INSERT INTO measurement VALUES ('x', 1, 1)", ["measurement", "measurement"]),
        ("UPDATE export_event SET revision = 9 WHERE sequence = 2", ["export_event", "export_event"]),
        ("UPDATE export_event_last SET sequence = 3", ["export_event"]),
        ("UPDATE export SET files = '[{'", ["export"]),
        ("UPDATE webhook SET state = 'wonderful'", ["webhook"]),
        ("UPDATE webhook_message SET turn = NULL WHERE turn = 1", ["webhook_message"]),
        ("UPDATE webhook_message SET turn = 0 WHERE state = 'delivered'", ["webhook_message"]),
    ])
    func whatIsWrongIsFound(_ script: String, _ subjects: [String]) async throws {
        try await FilledLedger.make(source)
        let database = try await TestPostgreSQL.shared().makeDatabase()
        _ = try await copy(source, database.uri)
        try PostgreSQLConnection(database.settings).execute(script)
        let bad = try LedgerPlace(database.uri).check().filter { !$0.isGood }
        #expect(bad.map(\.subject).sorted() == subjects.sorted())
    }
}
