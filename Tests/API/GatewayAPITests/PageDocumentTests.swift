@testable import GatewayAPI
import Exports
import JSON
import Testing

/// The text of a list, of which each export's part is kept with its snapshot.
@Suite struct PageDocumentTests {
    private static func export(observedAt: Int64?, revision: Int64 = 1) -> Export {
        var random = SystemRandomNumberGenerator()
        var export = Export(
            id: ExportID(at: Timestamp(milliseconds: 1_780_000_000_000), random: &random),
            provider: ProviderID("power-bi"),
            connection: "main",
            name: "A \"name\"\n\u{7F}",
            createdAt: Timestamp(milliseconds: 1_780_000_000_000),
            createdBy: "alice",
            source: ["pages": [1, .number(2.5)]]
        )
        export.observedAt = observedAt.map { Timestamp(milliseconds: $0) }
        export.files = [ExportFile(id: "1", name: "a b.csv", size: 7)]
        export.revision = revision
        return export
    }

    private static func text(_ snapshots: [ExportSnapshot], base: String? = nil) -> String {
        let document = ExportDocument(links: Links(base: base, path: ["exports"]))
        let page = ExportPage(snapshots: snapshots, hasMore: true, unreadable: 2)
        return String(decoding: document.bytes(ofPage: page, nextCursor: "next"), as: UTF8.self)
    }

    @Test(arguments: [nil, "https://exports.example/x"] as [String?])
    func aPageIsItsExports(base: String?) {
        let exports = [Self.export(observedAt: 5), Self.export(observedAt: nil)]
        let document = ExportDocument(links: Links(base: base, path: ["exports"]))
        let each = exports.map { String(decoding: document.bytes(of: $0), as: UTF8.self) }
        let wanted = #"{"value":[\#(each.joined(separator: ","))],"nextCursor":"next","unreadable":2}"#
        let snapshots = exports.map { ExportSnapshot($0) }
        #expect(Self.text(snapshots, base: base) == wanted)
        // And from what is kept, also beside lists with other links.
        _ = Self.text(snapshots, base: "https://other.example")
        #expect(Self.text(snapshots, base: base) == wanted)
    }

    @Test(arguments: [nil, 5, 1_700_000_000_000] as [Int64?]) func onlyTheTimeIsWrittenAgain(before: Int64?) {
        let first = ExportSnapshot(Self.export(observedAt: before))
        _ = Self.text([first])
        for (time, revision) in [(1_790_000_000_123, 1), (nil, 1), (7, 2)] as [(Int64?, Int64)] {
            var export = first.export
            export.observedAt = time.map { Timestamp(milliseconds: $0) }
            export.revision = revision
            #expect(Self.text([ExportSnapshot(export, after: first)]) == Self.text([ExportSnapshot(export)]))
        }
    }
}
