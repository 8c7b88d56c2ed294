import TestSupport
@testable import ExportEngine
import Exports
import JSON
import Testing

@Suite struct SnapshotMapTests {
    private static func id(_ number: UInt64) -> ExportID {
        var random = SeededRandom(seed: number)
        return ExportID(at: Timestamp(milliseconds: 1_780_000_000_000), random: &random)
    }

    private static func export(_ id: ExportID, revision: Int64 = 1, observedAt: Int64? = nil) -> Export {
        var export = Export(
            id: id,
            provider: ProviderID("power-bi"),
            connection: "main",
            name: "Sales",
            createdAt: Timestamp(milliseconds: 1_780_000_000_000),
            createdBy: "alice",
            source: [:]
        )
        export.revision = revision
        export.observedAt = observedAt.map { Timestamp(milliseconds: $0) }
        return export
    }

    private static func map(with export: Export, capacity: Int = 4) -> SnapshotMap {
        var map = SnapshotMap(capacity: capacity)
        _ = map.beginRead(export.id)
        _ = map.endRead(export.id, export, lastOrder: 0)
        return map
    }

    @Test func aPurgedExportDoesNotComeBack() {
        let (id, other) = (Self.id(1), Self.id(2))
        let export = Self.export(id)
        var map = Self.map(with: export)
        map.purged([id])
        #expect(map.find(id) == nil && !map.has(id))
        map.saw(export, lastOrder: 9)
        map.wrote(Self.export(id, revision: 9), order: 9)
        // A read that began before, and one that is told of a former change meanwhile.
        _ = map.beginRead(id)
        map.wrote(Self.export(id, revision: 9), order: 10)
        #expect(map.endRead(id, export, lastOrder: 9) == nil)
        map.beginList()
        #expect(map.listed(ExportSnapshot(export), lastOrder: 9).export == export)
        map.endList()
        #expect(map.find(id) == nil && !map.has(id))
        // Its place is used again, by whichever comes next.
        for number in 2...9 {
            _ = map.beginRead(Self.id(UInt64(number)))
            _ = map.endRead(Self.id(UInt64(number)), Self.export(Self.id(UInt64(number))), lastOrder: 0)
        }
        #expect(map.count == 4 && !map.has(id))
        map.purged([other])
        #expect(map.find(other) == nil)
    }

    @Test func takesInOnlyWhatWasAskedFor() {
        let id = Self.id(1)
        var map = SnapshotMap(capacity: 4)
        map.wrote(Self.export(id), order: 1)
        map.saw(Self.export(id), lastOrder: 1)
        #expect(map.find(id) == nil)
        #expect(map.count == 0)
    }

    @Test func aCommitBetweenTheReadAndItsEndWins() {
        let id = Self.id(1)
        var map = SnapshotMap(capacity: 4)
        #expect(map.beginRead(id) == true)
        map.wrote(Self.export(id, revision: 2), order: 1)
        #expect(map.endRead(id, Self.export(id, revision: 1), lastOrder: 1)?.export.revision == 2)
        #expect(map.find(id)?.export.revision == 2)
    }

    @Test func whatIsToldLateIsNotTakenForNews() {
        let id = Self.id(1)
        var map = Self.map(with: Self.export(id, revision: 1))
        map.wrote(Self.export(id, revision: 3), order: 3)
        map.wrote(Self.export(id, revision: 2), order: 2)
        #expect(map.find(id)?.export.revision == 3)
        // The read saw the second change before it was told of, and the first one is told of only now.
        var other = SnapshotMap(capacity: 4)
        _ = other.beginRead(id)
        #expect(other.endRead(id, Self.export(id, revision: 3), lastOrder: 3)?.export.revision == 3)
        other.wrote(Self.export(id, revision: 2), order: 2)
        #expect(other.find(id)?.export.revision == 3)
    }

    @Test func observedAtFollowsTheCommitsAlsoWithAClockThatWasSetBack() {
        let id = Self.id(1)
        var map = Self.map(with: Self.export(id, observedAt: 500))
        map.wrote(Self.export(id, observedAt: 100), order: 1)
        #expect(map.find(id)?.export.observedAt?.milliseconds == 100)
    }

    @Test func oneReadAtATime() {
        let id = Self.id(1)
        var map = SnapshotMap(capacity: 4)
        #expect(map.beginRead(id) == true)
        #expect(map.beginRead(id) == false)
        #expect(map.endRead(id, nil, lastOrder: 0) == nil)
        #expect(map.find(id) == nil)
        #expect(map.beginRead(id) == true)
    }

    @Test func keepsWhatIsUsedAndNoMoreThanItMay() {
        var map = SnapshotMap(capacity: 3)
        func read(_ number: UInt64) {
            guard map.find(Self.id(number)) == nil else { return }
            _ = map.beginRead(Self.id(number))
            _ = map.endRead(Self.id(number), Self.export(Self.id(number)), lastOrder: 0)
        }
        for number: UInt64 in [1, 2, 3] { read(number) }
        for number: UInt64 in 4..<50 {
            // One that is asked for all the time stays.
            read(1)
            read(number)
            #expect(map.count == 3)
            #expect(map.find(Self.id(1)) != nil)
        }
        var none = SnapshotMap(capacity: 0)
        _ = none.beginRead(Self.id(1))
        #expect(none.endRead(Self.id(1), Self.export(Self.id(1)), lastOrder: 0) != nil)
        #expect(none.find(Self.id(1)) == nil)
        #expect(none.count == 0)
    }

    @Test func formsAreMadeOnceAndGoOnWithTheRevision() {
        let id = Self.id(1)
        var map = Self.map(with: Self.export(id, observedAt: 1))
        var made: [String?] = []
        func form() -> String? {
            let isText: (String) -> Bool = { $0.hasPrefix("text") }
            return map.find(id)?
                .form(where: isText) { earlier in
                    made.append(earlier)
                    return "text \(made.count)"
                }
        }
        #expect(form() == "text 1")
        #expect(form() == "text 1")
        map.wrote(Self.export(id, observedAt: 2), order: 1)
        #expect(form() == "text 2")
        map.wrote(Self.export(id, revision: 2), order: 2)
        #expect(form() == "text 3")
        #expect(made == [nil, "text 1", nil])
    }

    /// Commits, what is told of them, reads and evictions in 10,000 random orders, over a ledger that is never wrong: what
    /// callers are shown never goes back, and ends with what the ledger holds.
    @Test func whatIsShownNeverGoesBack() {
        let seed = SeededRandom.anySeed
        for round in 0..<10_000 {
            var model = Model(random: SeededRandom(seed: seed &+ UInt64(round)))
            for _ in 0..<40 { model.step() }
            model.finish()
            #expect(model.faults == [], "EXPORT_GATEWAY_SEED=\(seed), round \(round)")
            if !model.faults.isEmpty { return }
        }
    }

    /// Two exports and a map for one: everything that can overlap does.
    private struct Model {
        struct Commit {
            var export: Export
            var order: UInt64
        }

        var random: SeededRandom
        var map = SnapshotMap(capacity: 1)
        var lastOrder: UInt64 = 0
        var ledger: [ExportID: Export]
        /// In a transaction: the change is made, and not yet committed.
        var transaction: Commit?
        /// Committed and not yet told of, in any order.
        var untold: [Commit] = []
        /// Reads under way, and what they have seen.
        var reads: [ExportID: Export?] = [:]
        /// What another way of reading has seen, and its caller is going to be shown.
        var seen: [Export] = []
        var shown: [ExportID: Int64] = [:]
        var faults: [String] = []
        let ids = [SnapshotMapTests.id(1), SnapshotMapTests.id(2)]

        init(random: SeededRandom) {
            self.random = random
            ledger = Dictionary(uniqueKeysWithValues: ids.map { ($0, SnapshotMapTests.export($0, observedAt: 0)) })
        }

        mutating func step() {
            let id = random.of(ids)
            switch random.below(9) {
            case 0:
                guard transaction == nil, var export = ledger[id] else { return }
                if random.below(3) > 0 { export.revision += 1 }
                export.observedAt = export.observedAt.map { $0 + .milliseconds(1) }
                // A transaction may be begun again.
                lastOrder += UInt64(1 + random.below(2))
                transaction = Commit(export: export, order: lastOrder)
            case 1:
                guard let commit = transaction else { return }
                transaction = nil
                ledger[commit.export.id] = commit.export
                untold.append(commit)
            case 2: if !untold.isEmpty { tell(untold.remove(at: random.below(untold.count))) }
            case 3:
                if let snapshot = map.find(id) {
                    show(snapshot.export)
                } else if map.beginRead(id) {
                    reads.updateValue(nil, forKey: id)
                }
            case 4: if let read = reads[id], read == nil { reads.updateValue(ledger[id], forKey: id) }
            case 5: if case .some(.some(let export)) = reads[id] { end(id, export) }
            case 6: if let export = ledger[id] { seen.append(export) }
            case 7:
                guard !seen.isEmpty else { return }
                let export = seen.remove(at: random.below(seen.count))
                map.saw(export, lastOrder: lastOrder)
                // It was read a while ago: whoever asked for it asked before the others were answered.
                shown[export.id] = max(shown[export.id] ?? 0, export.revision)
            default: if let snapshot = map.find(id) { show(snapshot.export) }
            }
            if map.count > 1 { faults.append("\(map.count) entries") }
        }

        mutating func finish() {
            if let commit = transaction {
                transaction = nil
                ledger[commit.export.id] = commit.export
                untold.append(commit)
            }
            while !untold.isEmpty { tell(untold.remove(at: random.below(untold.count))) }
            for (id, read) in reads { end(id, read ?? ledger[id]) }
            for id in ids {
                guard let snapshot = map.find(id) else { continue }
                show(snapshot.export)
                if snapshot.export != ledger[id] { faults.append("ends with another state than the ledger's") }
            }
        }

        private mutating func tell(_ commit: Commit) { map.wrote(commit.export, order: commit.order) }

        private mutating func end(_ id: ExportID, _ export: Export?) {
            reads[id] = nil
            if let snapshot = map.endRead(id, export, lastOrder: lastOrder) { show(snapshot.export) }
        }

        private mutating func show(_ export: Export) {
            let before = shown[export.id] ?? 0
            if export.revision < before { faults.append("\(export.revision) was shown after \(before)") }
            shown[export.id] = max(before, export.revision)
        }
    }
}
