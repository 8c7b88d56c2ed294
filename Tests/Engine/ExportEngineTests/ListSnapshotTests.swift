@testable import ExportEngine
import ExportLedger
import Exports
import Synchronization
import Testing

/// Lists and the snapshots in memory.
@Suite struct ListSnapshotTests {
    private func list(_ bench: Bench, status: ExportStatus? = nil) async throws -> [ExportSnapshot] {
        var filter = ExportFilter()
        filter.status = status
        return try await bench.engine.exports(matching: filter, for: .auditor(), before: nil, limit: 9).snapshots
    }

    @Test func aListShowsWhatIsInMemory() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        let shown = try await list(bench)
        #expect(shown.map(\.export.id) == [id])
        #expect(shown.first === bench.engine.snapshot(of: id, for: .owner()))
    }

    /// Another process of this gateway has nothing in memory: the first list reads, and the next one has it.
    @Test func whatAListHasReadIsInMemory() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        let later = try bench.restarted()
        let first = try await list(later)
        #expect(first.map(\.export.id) == [id])
        let second = try await list(later)
        #expect(second.first === first.first)
        // Who asks for it alone has it read as a whole.
        #expect(later.engine.snapshot(of: id, for: .owner()) == nil)
        let asked = try await later.engine.export(id, for: .owner(), refresh: false)
        #expect(asked == first.first?.export)
        #expect(try await list(later).first === later.engine.snapshot(of: id, for: .owner()))
    }

    @Test func aListFollowsEveryChange() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        _ = try await list(bench)
        _ = try await bench.engine.cancel(id, for: .owner())
        #expect(try await list(bench, status: .notStarted).isEmpty)
        let canceled = try await list(bench, status: .canceled)
        #expect(canceled.map(\.export.status) == [.canceled])
        #expect(canceled.first === bench.engine.snapshot(of: id, for: .owner()))
    }

    /// Changed while the list is read, which began before: it shows what it has read, and nobody is shown that afterwards.
    @Test func aChangeMeanwhileIsNotTakenBack() async throws {
        let ledger = try StagedLedger()
        let bench = try Bench(ledger: ledger)
        let id = try await bench.create()
        let later = try bench.restarted()
        let changed = Mutex<Export?>(nil)
        ledger.set { state in
            state.beforeList = { _, isKnown in
                #expect(!isKnown)
                guard var export = changed.withLock({ $0 }) else { return }
                export.revision += 1
                export.status = .running
                let order = later.engine.snapshots.orders.next()
                later.engine.snapshots.wrote(export, order: order)
            }
        }
        changed.withLock { $0 = bench.engine.snapshot(of: id, for: .owner())?.export }
        #expect(try await list(later).map(\.export.revision) == [1])
        #expect(later.engine.snapshots.known(id, revision: 1) == nil)
    }

    @Test func withoutCapacityEveryListIsRead() async throws {
        var settings = EngineSettings()
        settings.snapshotLimit = 0
        let ledger = try StagedLedger()
        let bench = try Bench(settings: settings, ledger: ledger)
        let id = try await bench.create()
        let known = Atomic(0)
        ledger.set { $0.beforeList = { _, isKnown in if isKnown { known.add(1, ordering: .relaxed) } } }
        for _ in 0..<2 { #expect(try await list(bench).map(\.export.id) == [id]) }
        #expect(known.load(ordering: .relaxed) == 0)
    }
}
