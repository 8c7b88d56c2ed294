import ExportLedger
import Exports
import JSON
import ManualClock
import Testing

@testable import ExportEngine

/// What the rules purge, and what callers do.
@Suite(.timeLimit(.minutes(5))) struct RetentionTests {
    private static let hour = Duration.seconds(3600)

    private func bench(_ rules: [RetentionSettings.Rule]) throws -> Bench {
        var settings = EngineSettings()
        settings.retention.rules = rules
        return try Bench(settings: settings)
    }

    /// Stores an export that ended so long ago.
    private func ended(
        _ bench: Bench,
        _ status: ExportStatus = .failed,
        ago: Duration = .seconds(7200),
        _ change: (inout LedgerRecord) -> Void = { _ in }
    ) async throws -> ExportID {
        let time = bench.time.now() + (.zero - ago)
        var random = SystemRandomNumberGenerator()
        var record = LedgerRecord(
            export: Export(
                id: ExportID(at: time, random: &random),
                provider: bench.descriptor.id,
                connection: "main",
                name: "Old",
                createdAt: time,
                createdBy: "alice",
                source: [:]
            ),
            plan: ExportPlan(source: [:], suggestedName: "Old")
        )
        record.phase = .settled
        record.export.status = status
        record.export.completedAt = time
        (record.nextActionAt, record.scheduledAt) = (nil, nil)
        record.export.tracking = nil
        change(&record)
        _ = try await bench.ledger.insert(record, idempotency: nil, claimsSince: time)
        return record.export.id
    }

    /// Lets time pass while the engine runs, until `isOver` holds.
    private func pass(_ bench: Bench, most: Int = 90, until isOver: () async throws -> Bool) async throws {
        for _ in 0..<most {
            // The maintenance and the retention: the connection's worker has nothing to wait for.
            await bench.time.pauses(atLeast: 2)
            if try await isOver() { return }
            bench.time.advance(by: .seconds(60))
        }
        Issue.record("it did not happen")
    }

    @Test func whatEndedLongAgoIsPurgedWhenTheClockIsTrusted() async throws {
        let bench = try bench([RetentionSettings.Rule(statuses: [.failed], age: Self.hour)])
        let old = try await ended(bench)
        let others = [
            try await ended(bench, .canceled), try await ended(bench, ago: .zero),
            try await ended(bench) { $0.export.retainedAt = $0.export.createdAt },
        ]
        let start = bench.time.now()
        try await bench.running {
            try await pass(bench) { try await bench.ledger.tombstone(old) != nil }
        }
        #expect(bench.time.now() - start >= Self.hour)
        for id in others[..<1] + others[2...] { #expect(try await bench.ledger.record(id) != nil) }
        let error = await #expect(throws: GatewayError.self) {
            _ = try await bench.engine.export(old, for: .owner(), refresh: false)
        }
        #expect(error?.code == .exportPurged && error?.tombstone?.status == .failed)
        let other = await #expect(throws: GatewayError.self) {
            _ = try await bench.engine.export(old, for: .caller("bob"), refresh: false)
        }
        #expect(other?.code == .notFound)
        let purged = bench.counter(
            "export_gateway_exports_purged_total",
            [("provider", bench.descriptor.id.rawValue), ("status", "failed")]
        )
        #expect(purged == 1)
    }

    @Test func withoutRulesNothingIsPurged() async throws {
        let bench = try bench([])
        let old = try await ended(bench, ago: .seconds(400 * 86_400))
        try await bench.running {
            // The maintenance alone.
            await bench.time.pauses(atLeast: 1)
            bench.time.advance(by: .seconds(4000))
            await bench.time.pauses(atLeast: 1)
        }
        #expect(try await bench.ledger.record(old) != nil)
    }

    /// Who has retained an export after the backup has to do it again before anything is deleted.
    @Test func afterARestoreNothingIsPurged() async throws {
        let bench = try bench([RetentionSettings.Rule(age: Self.hour)])
        let old = try await ended(bench)
        _ = try await bench.engine.holdRestored()
        try await bench.running {
            for _ in 0..<70 {
                await bench.time.pauses(atLeast: 1)
                bench.time.advance(by: .seconds(60))
            }
            await bench.time.pauses(atLeast: 1)
        }
        #expect(try await bench.ledger.record(old) != nil)
        let next = try bench.restarted()
        try await next.running {
            try await pass(next) { try await next.ledger.tombstone(old) != nil }
        }
    }

    /// The ledger refuses exports of one status.
    @Test func whatCannotBePurgedKeepsNothingElseWaiting() async throws {
        let ledger = try StagedLedger()
        ledger.set { $0.beforePurge = { if $0 == .succeeded { throw StagedLedger.failure } } }
        var settings = EngineSettings()
        settings.retention.rules = [RetentionSettings.Rule(age: Self.hour)]
        let bench = try Bench(settings: settings, ledger: ledger)
        let first = try await ended(bench, .succeeded)
        let last = try await ended(bench, .expired)
        try await bench.running {
            try await pass(bench) { try await bench.ledger.tombstone(last) != nil }
        }
        #expect(try await bench.ledger.record(first) != nil)
    }

    @Test func aPurgedExportIsNotShownFromMemory() async throws {
        let bench = try bench([])
        let id = try await ended(bench)
        let export = try await bench.engine.export(id, for: .owner(), refresh: false)
        #expect(bench.engine.snapshot(of: id, for: .owner()) != nil)
        try await bench.engine.purge(id, for: .owner())
        #expect(bench.engine.snapshot(of: id, for: .owner()) == nil)
        // Whoever has read it before, and comes late.
        bench.engine.snapshots.saw(export)
        bench.engine.snapshots.wrote(export, order: .max)
        let error = await #expect(throws: GatewayError.self) {
            _ = try await bench.engine.export(id, for: .owner(), refresh: false)
        }
        #expect(error?.code == .exportPurged)
        #expect(bench.engine.snapshot(of: id, for: .owner()) == nil)
        let deliveries = await #expect(throws: GatewayError.self) { _ = try await bench.deliveries(of: id) }
        #expect(deliveries?.code == .exportPurged)
    }

    @Test func aKeyIsAnsweredWithTheTombstone() async throws {
        let bench = try bench([])
        let key = Idempotency(key: "k", fingerprint: "f")
        let id = try await bench.engine.create(bench.draft(key: key), for: .owner()).export.id
        _ = try await bench.engine.cancel(id, for: .owner())
        let early = await #expect(throws: GatewayError.self) { try await bench.engine.purge(id, for: .owner()) }
        #expect(early?.code == .notPurgeable && early?.members == .obstacle(.idempotencyKey))
        bench.time.advance(by: .seconds(24 * 3600 + 1))
        try await bench.engine.purge(id, for: .owner())
        // The clock is set back into the key's day.
        let claimed = try await bench.ledger.claimed(key, by: "alice", claimsSince: Timestamp(milliseconds: 0))
        if case .purged = claimed {} else { Issue.record("\(String(describing: claimed))") }
    }

    @Test func aRuleIsTheFirstOneThatFits() {
        var settings = RetentionSettings()
        let (first, second) = (ProviderID("first"), ProviderID("second"))
        settings.rules = [
            RetentionSettings.Rule(provider: first, statuses: [.failed], age: .seconds(1)),
            RetentionSettings.Rule(provider: first, age: nil), RetentionSettings.Rule(age: .seconds(3)),
        ]
        #expect(settings.age(of: first, .failed) == .seconds(1))
        #expect(settings.age(of: first, .succeeded) == nil)
        #expect(settings.age(of: second, .failed) == .seconds(3))
        #expect(settings.isActive && settings.shortest == .seconds(1))
        settings.rules.removeLast()
        #expect(settings.age(of: second, .failed) == nil)
        #expect(!RetentionSettings().isActive)
    }

    @Test func aSlowLedgerGetsSmallerBatchesAndLongerRests() {
        var pace = RetentionPace()
        let first = pace.limit
        #expect(pace.took(.milliseconds(1)) == RetentionPace.rests.lowerBound)
        #expect(pace.limit > first)
        for _ in 0..<99 { _ = pace.took(.milliseconds(1)) }
        #expect(pace.limit == RetentionPace.most)
        #expect(pace.took(.milliseconds(200)) == .milliseconds(800))
        #expect(pace.limit == RetentionPace.most / 2)
        #expect(pace.took(.seconds(9)) == RetentionPace.rests.upperBound)
        for _ in 0..<99 { _ = pace.took(.seconds(1)) }
        #expect(pace.limit == 1)
        _ = pace.took(.milliseconds(1))
        #expect(pace.limit == 2)
        for _ in 0..<2 { pace.failed() }
        #expect(pace.limit == 1)
    }

    @Test func aClockThatIsSetIsNotTrustedForAWhile() {
        var clock = SteadyClock()
        let start = Timestamp(milliseconds: 1_780_000_000_000)
        clock.see(start, elapsed: .zero)
        #expect(clock.steadyFor == .zero)
        clock.see(start + .seconds(60), elapsed: .seconds(58))
        #expect(clock.steadyFor == .seconds(58))
        // A year ahead.
        clock.see(start + .seconds(366 * 86_400), elapsed: .seconds(61))
        #expect(clock.steadyFor == .zero)
        clock.see(start + .seconds(366 * 86_400 + 10), elapsed: .seconds(71))
        #expect(clock.steadyFor == .seconds(10))
        clock.see(start + .seconds(80), elapsed: .seconds(80))
        #expect(clock.steadyFor == .zero)
    }

    @Test func theLastPurgedAreKept() {
        var purged = PurgedExports()
        var random = SystemRandomNumberGenerator()
        let ids = (0...PurgedExports.limit).map { ExportID(at: Timestamp(milliseconds: Int64($0)), random: &random) }
        for id in ids { purged.insert(id) }
        purged.insert(ids[1])
        #expect(!purged.contains(ids[0]))
        #expect(ids.dropFirst().allSatisfy(purged.contains))
    }
}
