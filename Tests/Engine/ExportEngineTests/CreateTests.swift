import TestLedger
@testable import ExportEngine
import ExportLedger
import Exports
import JSON
import Logging
import ManualClock
import Metrics
import Testing

@Suite(.timeLimit(.minutes(5))) struct CreateTests {
    private func faults(_ bench: Bench, _ draft: ExportDraft) async throws -> [FieldFault] {
        let error = await #expect(throws: GatewayError.self) { try await bench.engine.create(draft, for: .owner()) }
        #expect(error?.code == .invalidExport)
        return error?.faults ?? []
    }

    @Test func exportIsStoredWhenCreateReturns() async throws {
        let bench = try Bench()
        let creation = try await bench.engine.create(bench.draft(["format": "CSV"]), for: .owner())
        #expect(!creation.isReplay)
        #expect(creation.export.status == .notStarted)
        #expect(creation.export.name == "Name")
        #expect(creation.export.connection == "main")
        #expect(creation.export.createdAt == bench.time.now())
        #expect(creation.export.source == ["format": "CSV"])
        #expect(try await bench.record(creation.export.id).export == creation.export)
        #expect(bench.provider.count(.submit) == 0)
        #expect(bench.counter("export_gateway_exports_created_total", [("provider", "scripted")]) == 1)
    }

    @Test func planSuggestsAName() async throws {
        let bench = try Bench()
        var draft = bench.draft()
        draft.name = nil
        #expect(try await bench.engine.create(draft, for: .owner()).export.name == "Suggested")
    }

    @Test func faultsPointIntoTheBody() async throws {
        let bench = try Bench()
        #expect(try await faults(bench, bench.draft(["bad": 1])).map(\.pointer) == ["/scripted/bad"])

        var unknownProvider = bench.draft()
        unknownProvider.provider = ProviderID("scriptet")
        let fault = try #require(try await faults(bench, unknownProvider).first)
        #expect(fault.pointer == "/provider")
        #expect(fault.detail == "is not a provider; did you mean \"scripted\"?; known are scripted")

        var unknownConnection = bench.draft()
        unknownConnection.connection = "maim"
        let other = try #require(try await faults(bench, unknownConnection).first)
        #expect(other.pointer == "/connection")
        #expect(other.detail.contains("did you mean \"main\"?; known are main"))
        let page = try await bench.engine.exports(matching: ExportFilter(), for: .auditor(), before: nil, limit: 9)
        #expect(page.exports.isEmpty)
    }

    @Test func connectionIsChosenOnlyWhereThereIsOne() async throws {
        let ledger = try SQLiteLedger.temporary()
        let bench = try Bench(ledger: ledger)
        func engine(_ names: [String]) -> ExportEngine {
            ExportEngine(
                ledger: ledger,
                connections: names.map {
                    EngineConnection(name: $0, provider: bench.provider, descriptor: bench.descriptor)
                },
                descriptors: [bench.descriptor],
                time: bench.time,
                random: { UInt64.random(in: .min ... .max) },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                metrics: NOOPMetricsHandler.instance
            )
        }
        for (names, words) in [([], "the operator must add one"), (["a", "b"], "has several: a, b")] {
            let error = await #expect(throws: GatewayError.self) {
                try await engine(names).create(bench.draft(), for: .owner())
            }
            #expect(error?.faults.first?.pointer == "/connection")
            #expect(error?.faults.first?.detail.contains(words) == true)
        }
        var draft = bench.draft()
        draft.connection = "b"
        #expect(try await engine(["a", "b"]).create(draft, for: .owner()).export.connection == "b")
        #expect(engine([]).providers.map(\.connections) == [[]])
        #expect(engine(["a", "b"]).providers.map(\.connections) == [["a", "b"]])
    }

    @Test func sameKeyGivesTheSameExport() async throws {
        let bench = try Bench()
        let key = Idempotency(key: "k", fingerprint: "f")
        let first = try await bench.engine.create(bench.draft(key: key), for: .owner())
        let second = try await bench.engine.create(bench.draft(key: key), for: .owner())
        #expect(second.isReplay)
        #expect(second.export == first.export)
        let error = await #expect(throws: GatewayError.self) {
            try await bench.engine.create(bench.draft(key: Idempotency(key: "k", fingerprint: "g")), for: .owner())
        }
        #expect(error?.code == .idempotencyKeyReused)
        bench.time.advance(by: .seconds(24 * 3600 + 1))
        #expect(try await !bench.engine.create(bench.draft(key: key), for: .owner()).isReplay)
    }

    @Test func ofAHundredWithOneKeyOneIsCreatedAndStarted() async throws {
        let bench = try Bench()
        bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        try await bench.running {
            let creations = try await withThrowingTaskGroup(of: Creation.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        try await bench.engine.create(
                            bench.draft(key: Idempotency(key: "k", fingerprint: "f")),
                            for: .owner()
                        )
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(creations.filter { !$0.isReplay }.count == 1)
            #expect(Set(creations.map(\.export.id)).count == 1)
            _ = try await bench.drive(creations[0].export.id)
        }
        #expect(bench.provider.jobs.count == 1)
        #expect(bench.provider.count(.submit) == 1)
        #expect(bench.counter("export_gateway_exports_created_total", [("provider", "scripted")]) == 1)
    }

    @Test func delegatedProviderNeedsTheCallersToken() async throws {
        let bench = try Bench { $0.delegatedOnly = true }
        let error = await #expect(throws: GatewayError.self) {
            try await bench.engine.create(bench.draft(), for: .owner())
        }
        #expect(error?.code == .upstreamAuthorizationRequired)
        #expect(error?.detail.contains("Upstream-Authorization") == true)
        _ = try await bench.engine.create(bench.draft(), for: .owner("t"))
    }

    @Test func failingLedgerIsSaidAndNothingIsKept() async throws {
        let bench = try Bench(ledger: DyingLedger(try SQLiteLedger.temporary(), after: 0, keepsLast: false))
        let error = await #expect(throws: GatewayError.self) {
            try await bench.engine.create(bench.draft(), for: .owner())
        }
        #expect(error?.code == .unavailable)
        #expect(error?.retryAfter != nil)
        #expect(await bench.engine.isReady() == false)
        #expect(await (try Bench()).engine.isReady())
    }

    /// Runs a creation without a task; nil where the engine leaves it to the other way.
    private func createWithoutATask(_ bench: Bench, for viewer: Viewer = .owner()) async -> Result<
        Creation, GatewayError
    >? {
        let (outcomes, answer) = AsyncStream.makeStream(of: Result<Creation, GatewayError>.self)
        let then: @Sendable (Result<Creation, GatewayError>) -> Void = { outcome in
            answer.yield(outcome)
            answer.finish()
        }
        guard bench.engine.create(bench.draft(), for: viewer, on: { $0() }, then: then) else { return nil }
        for await outcome in outcomes { return outcome }
        return nil
    }

    @Test func whatIsCreatedWithoutATaskIsStarted() async throws {
        let bench = try Bench()
        bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        try await bench.running {
            let creation = try #require(await createWithoutATask(bench)).get()
            #expect(try await bench.drive(creation.export.id).export.status == .succeeded)
        }
        #expect(bench.provider.count(.submit) == 1)
        #expect(bench.counter("export_gateway_exports_created_total", [("provider", "scripted")]) == 1)
    }

    @Test func failingLedgerIsSaidWithoutATask() async throws {
        let bench = try Bench(ledger: DyingLedger(try SQLiteLedger.temporary(), after: 0, keepsLast: false))
        let outcome = try #require(await createWithoutATask(bench))
        #expect(throws: GatewayError.self) { try outcome.get() }
        guard case .failure(let error) = outcome else { return }
        #expect(error.code == .unavailable)
        #expect(error.retryAfter != nil)
    }

    @Test func whoBringsATokenIsLeftToATask() async throws {
        let bench = try Bench { $0.delegatedOnly = true }
        #expect(await createWithoutATask(bench) == nil)
        #expect(await createWithoutATask(bench, for: .owner("t")) == nil)
        let page = try await bench.engine.exports(matching: ExportFilter(), for: .auditor(), before: nil, limit: 9)
        #expect(page.exports.isEmpty)
    }
}
