import TestSupport
@testable import ExportEngine
import Exports
import JSON
import Testing

/// What the map of snapshots makes of lists.
@Suite struct ListedSnapshotTests {
    private static func snapshot(_ number: UInt64, revision: Int64 = 1) -> ExportSnapshot {
        var random = SeededRandom(seed: number)
        var export = Export(
            id: ExportID(at: Timestamp(milliseconds: 1_780_000_000_000), random: &random),
            provider: ProviderID("power-bi"),
            connection: "main",
            name: "Sales",
            createdAt: Timestamp(milliseconds: 1_780_000_000_000),
            createdBy: "alice",
            source: [:]
        )
        export.revision = revision
        return ExportSnapshot(export)
    }

    private static func ask(_ number: UInt64, of map: inout SnapshotMap) {
        let export = snapshot(number).export
        _ = map.beginRead(export.id)
        _ = map.endRead(export.id, export, lastOrder: 0)
    }

    private static func list(_ numbers: some Sequence<UInt64>, in map: inout SnapshotMap) {
        map.beginList()
        for number in numbers { _ = map.listed(snapshot(number), lastOrder: 0) }
        map.endList()
    }

    private static func holds(_ number: UInt64, _ map: SnapshotMap) -> Bool {
        map.known(snapshot(number).export.id, revision: 1) != nil
    }

    @Test func whatAListHasReadIsKept() {
        var map = SnapshotMap(capacity: 8)
        let shown = Self.snapshot(1)
        map.beginList()
        #expect(map.listed(shown, lastOrder: 0) === shown)
        map.endList()
        #expect(map.known(shown.export.id, revision: 1) === shown)
        #expect(map.known(shown.export.id, revision: 2) == nil)
        // Who asks for the export alone gets what its whole row says.
        #expect(map.find(shown.export.id) == nil)
        // Read once more, by two lists at once: what is kept is shown.
        map.beginList()
        #expect(map.listed(Self.snapshot(1), lastOrder: 0) === shown)
        map.endList()
    }

    /// A poll that nobody else sees anything of tells when the status was confirmed: somebody may have been told already.
    @Test func whatWasConfirmedWhileAListWasReadIsNotKeptAsItWas() {
        var map = SnapshotMap(capacity: 8)
        let old = Self.snapshot(1)
        var polled = old.export
        polled.observedAt = Timestamp(milliseconds: 1_780_000_060_000)
        map.beginList()
        map.wrote(polled, order: 1)
        _ = map.listed(old, lastOrder: 1)
        map.endList()
        #expect(map.known(old.export.id, revision: 1) == nil)
        map.beginList()
        _ = map.listed(ExportSnapshot(polled), lastOrder: 1)
        map.endList()
        #expect(map.known(old.export.id, revision: 1)?.export.observedAt == polled.observedAt)
    }

    @Test func aListEvictsAQuarterAtMost() {
        var map = SnapshotMap(capacity: 40)
        for number in 1...40 { Self.ask(UInt64(number), of: &map) }
        Self.list(1_000..<2_000, in: &map)
        #expect((1...40).count { Self.holds(UInt64($0), map) } == 30)
        #expect((1_990..<2_000).allSatisfy { Self.holds($0, map) })
        #expect(map.count == 40)
    }

    @Test func whatIsAskedForStays() {
        var map = SnapshotMap(capacity: 8)
        Self.list([1, 2], in: &map)
        Self.ask(1, of: &map)
        #expect(map.find(Self.snapshot(1).export.id) != nil)
        Self.list(10..<30, in: &map)
        #expect(Self.holds(1, map) && !Self.holds(2, map))
        for number in 28..<30 { #expect(Self.holds(UInt64(number), map)) }
    }

    @Test func aMapWithoutCapacityKeepsNothing() {
        for capacity in [0, 3] {
            var map = SnapshotMap(capacity: capacity)
            Self.list([1, 2], in: &map)
            #expect(map.count == 0)
        }
    }

    /// The list may have been read before the change: what it shows must not be kept.
    @Test func whatChangedMeanwhileIsNotKept() {
        var map = SnapshotMap(capacity: 8)
        map.beginList()
        map.beginList()
        map.wrote(Self.snapshot(1, revision: 2).export, order: 1)
        map.endList()
        _ = map.listed(Self.snapshot(1), lastOrder: 1)
        #expect(!Self.holds(1, map))
        map.endList()
        Self.list([1], in: &map)
        #expect(Self.holds(1, map))
    }

    @Test func whatWasEvictedSinceItChangedIsNotKept() {
        var map = SnapshotMap(capacity: 4)
        Self.ask(1, of: &map)
        map.beginList()
        map.wrote(Self.snapshot(1, revision: 2).export, order: 1)
        for number in 2...9 { Self.ask(UInt64(number), of: &map) }
        _ = map.listed(Self.snapshot(1), lastOrder: 1)
        map.endList()
        #expect(!Self.holds(1, map))
    }

    @Test func aListTakesNothingBack() {
        var map = SnapshotMap(capacity: 8)
        Self.ask(1, of: &map)
        map.beginList()
        map.wrote(Self.snapshot(1, revision: 2).export, order: 1)
        #expect(map.listed(Self.snapshot(1), lastOrder: 1).export.revision == 1)
        map.endList()
        #expect(map.find(Self.snapshot(1).export.id)?.export.revision == 2)
    }

    @Test func tooManyChangesAtOnceKeepNothing() {
        var filling = ListFilling()
        let id = Self.snapshot(1).export.id
        filling.begin()
        for number in 2...10_003 { filling.wrote(Self.snapshot(UInt64(number)).export.id) }
        #expect(!filling.mayKeep(id))
        filling.end()
        filling.begin()
        #expect(filling.mayKeep(id))
    }
}
