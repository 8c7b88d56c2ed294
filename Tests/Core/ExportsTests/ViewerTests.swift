import Exports
import JSON
import Testing
import TestSupport

@Suite struct ViewerTests {
    private func export(by caller: String) -> Export {
        var random = SeededRandom(seed: 1)
        let now = Timestamp(milliseconds: 1)
        return Export(
            id: ExportID(at: now, random: &random),
            provider: ProviderID("p"),
            connection: "c",
            name: "n",
            createdAt: now,
            createdBy: caller,
            source: [:]
        )
    }

    @Test(
        arguments: [
            (.caller("alice", seesAll: false), true, true), (.caller("alice", seesAll: true), true, true),
            (.caller("bob", seesAll: false), false, false), (.caller("bob", seesAll: true), true, false),
            (.caller("", seesAll: false), false, false), (.anonymous, true, true), (.gateway, true, false),
        ] as [(Viewer.Identity, Bool, Bool)]
    )
    func whoSeesAndWhoOwns(identity: Viewer.Identity, sees: Bool, owns: Bool) {
        let viewer = Viewer(identity, token: nil, downloadToken: nil)
        #expect(viewer.maySee(export(by: "alice")) == sees)
        #expect(viewer.owns(export(by: "alice")) == owns)
    }

    @Test func anOwnerThatIsNotKnownIsNobody() {
        #expect(!Viewer(.caller("alice", seesAll: false), token: nil, downloadToken: nil).maySeeExports(of: nil))
        #expect(Viewer.gateway.maySeeExports(of: nil))
    }

    @Test func aFilterIsNarrowedForWhoSeesTheirOwnOnly() {
        var filter = ExportFilter()
        filter.createdBy = "bob"
        func narrowed(_ identity: Viewer.Identity) -> String? {
            Viewer(identity, token: nil, downloadToken: nil).narrowed(filter).createdBy
        }
        #expect(narrowed(.caller("alice", seesAll: false)) == "alice")
        #expect(narrowed(.caller("alice", seesAll: true)) == "bob")
        #expect(narrowed(.anonymous) == "bob")
    }
}
