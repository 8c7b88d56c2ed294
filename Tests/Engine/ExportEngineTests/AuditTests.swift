import Audit
import ExportLedger
import Exports
import ManualClock
import Synchronization
import TestLedger
import TestSupport
import Testing

@testable import ExportEngine

/// What callers do is stored with its entry of the audit trail.
@Suite(.timeLimit(.minutes(5))) struct AuditTests {
    private static let key: AuditKey = {
        guard let key = AuditKey(SecretBytes(Array(1...32))) else { preconditionFailure("a key has 32 bytes") }
        return key
    }()

    private struct Audited {
        let ledger: SQLiteLedger
        let bench: Bench

        init(_ declare: (inout ProviderCapabilities) -> Void = { _ in }) throws {
            ledger = try SQLiteLedger.temporary()
            bench = try Bench(ledger: ledger, audit: AuditTests.key, declare)
        }

        /// The entries since the last call, in their order.
        func entries() async throws -> [AuditEntry] {
            let last = try await ledger.auditHead()?.sequence ?? 0
            let random = Randomness { .random(in: .min ... .max) }
            _ = try await ledger.sealAudit(after: 0, limit: 100) { ends, entries, known in
                var chain = AuditChain(
                    after: ends.head,
                    key: AuditTests.key,
                    olderKeys: [],
                    at: Timestamp(milliseconds: 0),
                    random: random
                )
                return chain.seal(entries, known: known, in: ends)
            }
            return try await ledger.auditRows(after: last, limit: 100).rows.map(\.entry)
                .filter { $0.action != .keyChange }
        }
    }

    private func viewer(_ caller: String = "alice") -> Viewer {
        Viewer(
            .caller(caller, seesAll: true),
            token: nil,
            downloadToken: nil,
            requestID: "r-\(caller)",
            address: "192.0.2.1"
        )
    }

    @Test func whatIsDoneIsThereWithWhoAndFromWhere() async throws {
        let audited = try Audited()
        let (bench, engine) = (audited.bench, audited.bench.engine)
        let id = try await engine.create(bench.draft(), for: viewer()).export.id
        let created = try #require(try await audited.entries().first)
        #expect(created.action == .create && created.outcome == .succeeded && created.exportID == id)
        #expect(
            (created.caller, created.address, created.requestID) == ("alice", "192.0.2.1", "r-alice")
        )
        #expect(created.details == ["provider": bench.descriptor.id.rawValue, "connection": "main"])
        _ = try await engine.setRetained(true, id, for: viewer("bob"))
        _ = try await engine.setRetained(true, id, for: viewer("bob"))
        _ = try await engine.cancel(id, for: viewer())
        _ = try await engine.cancel(id, for: viewer())
        _ = try await engine.setRetained(false, id, for: viewer("bob"))
        let changes = try await audited.entries()
        #expect(changes.map(\.action) == [.retain, .cancel, .release])
        #expect(changes.map(\.caller) == ["bob", "alice", "bob"])
        #expect(changes[1].details == ["status": "canceled"])
        try await engine.purge(id, for: viewer("carol"))
        let purged = try #require(try await audited.entries().first)
        #expect(purged.action == .purge && purged.caller == "carol" && purged.exportID == id)
        #expect(purged.details["createdBy"] == "alice" && purged.details["status"] == "canceled")
    }

    @Test func anInsertionWithoutATaskIsThereToo() async throws {
        let audited = try Audited()
        let draft = audited.bench.draft()
        let creation = try await withCheckedThrowingContinuation { continuation in
            let isBegun = audited.bench.engine.create(draft, for: viewer(), on: { $0() }) { outcome in
                continuation.resume(with: outcome)
            }
            if !isBegun { continuation.resume(throwing: CancellationError()) }
        }
        #expect(try await audited.entries().map(\.exportID) == [creation.export.id])
    }

    @Test func whatIsAnsweredAgainIsNotThereAgain() async throws {
        let audited = try Audited()
        let draft = audited.bench.draft(key: Idempotency(key: "k", fingerprint: "f"))
        _ = try await audited.bench.engine.create(draft, for: viewer())
        #expect(try await audited.bench.engine.create(draft, for: viewer()).isReplay)
        #expect(try await audited.entries().map(\.action) == [.create])
    }

    @Test func deliveriesAreThereWithTheirEnds() async throws {
        let audited = try Audited()
        let (bench, engine) = (audited.bench, audited.bench.engine)
        let id = try await engine.create(bench.draft(), for: viewer()).export.id
        _ = try await audited.entries()
        func delivery(_ outcome: Delivery.Outcome, _ kind: Delivery.Kind = .delivery) -> Delivery {
            var delivery = Delivery(
                id: engine.random.newID(at: bench.time.now()),
                exportID: id,
                fileID: "1",
                caller: "bob",
                requestID: "r-1",
                startedAt: bench.time.now(),
                endedAt: nil,
                coding: "gzip",
                outcome: outcome
            )
            (delivery.kind, delivery.address, delivery.bytesSent, delivery.fileBytes) = (kind, "192.0.2.9", 5, 9)
            return delivery
        }
        var first = delivery(.underWay)
        await engine.record(first)
        (first.outcome, first.rangeFirst, first.rangeLast) = (.whole, 0, 8)
        await engine.record(first)
        var second = delivery(.broken)
        second.reason = "timeout"
        await engine.record(second)
        // The gateway hands nothing out to itself.
        await engine.record(delivery(.whole, .measurement))
        let entries = try await audited.entries()
        #expect(entries.map(\.action) == [.download, .download] && entries.map(\.outcome) == [.succeeded, .failed])
        #expect(entries[0].caller == "bob" && entries[0].address == "192.0.2.9" && entries[0].requestID == "r-1")
        #expect(
            entries[0].details == [
                "delivery": first.id.description, "file": "1", "outcome": "whole", "coding": "gzip", "range": "0-8",
                "bytesSent": "5", "fileBytes": "9",
            ]
        )
        #expect(entries[1].details["reason"] == "timeout")
    }

    @Test func deliveriesThatAKillHasBrokenOffAreThere() async throws {
        let audited = try Audited()
        let (bench, engine) = (audited.bench, audited.bench.engine)
        let id = try await engine.create(bench.draft(), for: viewer()).export.id
        _ = try await audited.entries()
        var begun = Delivery(
            id: engine.random.newID(at: bench.time.now()),
            exportID: id,
            fileID: "1",
            caller: "bob",
            requestID: "r-1",
            startedAt: bench.time.now(),
            endedAt: nil,
            coding: "gzip",
            outcome: .underWay
        )
        await engine.record(begun)
        (begun.id, begun.kind) = (engine.random.newID(at: bench.time.now()), .measurement)
        await engine.record(begun)
        let next = try bench.restarted()
        await next.engine.breakDeliveriesUnderWay()
        let entries = try await audited.entries()
        #expect(entries.map(\.action) == [.download] && entries.map(\.outcome) == [.failed])
        #expect(entries.first?.caller == "bob" && entries.first?.requestID == "r-1" && entries.first?.exportID == id)
        #expect(entries.first?.details["reason"] == "gateway-stopped")
        await next.engine.breakDeliveriesUnderWay()
        #expect(try await audited.entries().isEmpty)
    }

    /// A replica that seals at this moment does not end the round of the one that deletes.
    @Test func rowsThatAreLockedAreDeletedInTheSameRound() async throws {
        var settings = EngineSettings()
        settings.retention.audit = .seconds(3600)
        let calls = Events<Int>()
        let outcomes = Mutex<[AuditTrimOutcome]>([.locked, .deleted(500, []), .deleted(3, [])])
        let trimmer = AuditTrimmer { _, limit in
            calls.add(limit)
            return outcomes.withLock { $0.isEmpty ? .nothing : $0.removeFirst() }
        }
        let bench = try Bench(settings: settings, audit: Self.key, trimmer: trimmer)
        try await bench.running {
            for _ in 0..<90 {
                // The maintenance and the retention.
                await bench.time.pauses(atLeast: 2)
                guard calls.all.isEmpty else { break }
                bench.time.advance(by: .seconds(60))
            }
            #expect(calls.all.count == 1)
            for wanted in 2...3 {
                await bench.time.pauses(atLeast: 2)
                bench.time.advance(by: .seconds(1))
                await bench.time.pauses(atLeast: 2)
                #expect(calls.all.count == wanted)
            }
        }
    }

    @Test func decisionsAreThere() async throws {
        let audited = try Audited { _ in }
        let (bench, engine) = (audited.bench, audited.bench.engine)
        bench.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.ambiguous, "No answer.") : nil }
            $0.failedSubmitStarts = false
        }
        try await bench.running {
            let id = try await engine.create(bench.draft(), for: viewer()).export.id
            _ = try await bench.until(id) { $0.startIsUnconfirmed }
            _ = try await audited.entries()
            _ = try await engine.resolve(id, for: viewer("operator"), as: .abandoned, revision: nil)
            let entries = try await audited.entries()
            #expect(entries.map(\.action) == [.resolve] && entries[0].caller == "operator")
            #expect(entries[0].details["decision"] == "abandoned")
        }
    }

    /// The request was accepted before.
    @Test func aCancellationThatTheUpstreamRefusesIsThere() async throws {
        let audited = try Audited { $0.cancel = true }
        let (bench, engine) = (audited.bench, audited.bench.engine)
        bench.provider.set { $0.onCancel = { _ in ProviderError(.conflict, "Too late.") } }
        try await bench.running {
            let id = try await engine.create(bench.draft(), for: viewer()).export.id
            _ = try await bench.until(id) { $0.isTracked }
            _ = try await audited.entries()
            await #expect(throws: GatewayError.self) { _ = try await engine.cancel(id, for: viewer()) }
            let entries = try await audited.entries()
            #expect(entries.map(\.action) == [.cancel, .cancel])
            #expect(entries.map(\.outcome) == [.succeeded, .refused])
            #expect(entries.map(\.caller) == ["alice", "export-gateway"] && entries.last?.exportID == id)
            #expect(entries.last?.details["code"] == "upstream-conflict")
        }
    }

    /// What is refused has changed nothing, and leaves no row of its own: the API tells of the denial.
    @Test func whatIsRefusedIsNotThere() async throws {
        let audited = try Audited()
        let (bench, engine) = (audited.bench, audited.bench.engine)
        let id = try await engine.create(bench.draft(), for: viewer()).export.id
        _ = try await audited.entries()
        await #expect(throws: GatewayError.self) { try await engine.purge(id, for: viewer()) }
        await #expect(throws: GatewayError.self) {
            _ = try await engine.resolve(id, for: viewer(), as: .notStarted, revision: nil)
        }
        await #expect(throws: GatewayError.self) { _ = try await engine.cancel(id, for: .caller("mallory")) }
        #expect(try await audited.entries().isEmpty)
    }

    @Test func withoutATrailNothingIsThere() async throws {
        let ledger = try SQLiteLedger.temporary()
        let bench = try Bench(ledger: ledger)
        let id = try await bench.create()
        _ = try await bench.engine.cancel(id, for: .owner())
        #expect(try await ledger.auditBacklog().count == 0)
    }
}
