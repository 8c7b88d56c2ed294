@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Synchronization
import Testing

/// What a caller is told without a task that waits: what is found, and the next change.
@Suite(.timeLimit(.minutes(5))) struct WatchTests {
    /// What was told, in order.
    private final class Told<Value: Sendable>: Sendable {
        private let values = Mutex<[Value?]>([])
        private let signal = Signal()

        var all: [Value?] { values.withLock { $0 } }

        func tell(_ value: Value?) {
            values.withLock { $0.append(value) }
            signal.fire()
        }

        func first() async -> Value? {
            while all.isEmpty { await signal.wait() }
            return all[0]
        }
    }

    @Test func athousandWhoMissAreToldByOneRead() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger)
        let id = try await bench.create()
        let later = try bench.restarted()
        let gate = Gate()
        ledger.set { $0.beforeRecord = { gate.pass($0) } }
        let told = (0..<1000).map { _ in Told<ExportSnapshot>() }
        for one in told { later.engine.find(id, for: .caller("alice"), then: one.tell) }
        let other = Told<ExportSnapshot>()
        later.engine.find(id, for: .caller("mallory"), then: other.tell)
        gate.open()
        for one in told { #expect(await one.first()?.export.id == id) }
        #expect(await other.first() == nil)
        #expect(ledger.recordReads == 1)
        // In memory by now: told before the call returns.
        let next = Told<ExportSnapshot>()
        later.engine.find(id, for: .caller("alice"), then: next.tell)
        #expect(next.all.count == 1)
    }

    @Test func whatCannotBeReadIsNothing() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger)
        let id = try await bench.create()
        let later = try bench.restarted()
        ledger.set { $0.beforeRecord = { _ in throw StagedLedger.failure } }
        let told = Told<ExportSnapshot>()
        later.engine.find(id, for: .auditor(), then: told.tell)
        #expect(await told.first() == nil)
        ledger.set { $0.beforeRecord = { $0() } }
        let unknown = Told<ExportSnapshot>()
        later.engine.find(later.engine.random.newID(at: bench.time.now()), for: .auditor(), then: unknown.tell)
        #expect(await unknown.first() == nil)
    }

    @Test func aChangeIsToldOnceToAllWhoWatchAndNothingIsRead() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger)
        let id = try await bench.create()
        let told = (0..<1000).map { _ in Told<Export>() }
        let watches = told.map { bench.engine.watch(id, beyond: 1, then: $0.tell) }
        let gone = Told<Export>()
        bench.engine.watch(id, beyond: 1, then: gone.tell)?.cancel()
        #expect(ledger.recordReads == 0)
        _ = try await bench.engine.cancel(id, for: .owner())
        for one in told { #expect(await one.first()?.status == .canceled) }
        for one in told { #expect(one.all.count == 1) }
        #expect(gone.all.isEmpty)
        // Of whoever canceled it.
        #expect(ledger.recordReads == 1)
        for watch in watches { watch?.cancel() }
        // What has changed before somebody watches is told at once.
        let late = Told<Export>()
        bench.engine.watch(id, beyond: 1, then: late.tell)?.cancel()
        #expect(late.all.first??.status == .canceled)
    }

    @Test func whoWatchesIsLetGoWhenTheEngineStops() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        let told = Told<Export>()
        let watch = bench.engine.watch(id, beyond: 1, then: told.tell)
        bench.engine.changes.close()
        #expect(told.all.count == 1)
        #expect(told.all.first == .some(nil))
        watch?.cancel()
        let late = Told<Export>()
        bench.engine.watch(id, beyond: 1, then: late.tell)?.cancel()
        #expect(late.all.first == .some(nil))
    }

    @Test func aWriteThatShowsNothingNewIsNotTold() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        let record = try await bench.record(id)
        let told = Told<Export>()
        let watch = bench.engine.watch(id, beyond: 1, then: told.tell)
        bench.engine.changes.wrote(record, order: 1)
        #expect(told.all.isEmpty)
        watch?.cancel()
    }
}
