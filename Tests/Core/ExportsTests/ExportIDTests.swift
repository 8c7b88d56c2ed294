import Exports
import Foundation
import Testing
import TestSupport

@Suite struct ExportIDTests {
    @Test func hasTheLayoutOfVersion7() throws {
        var random = SeededRandom(seed: 1)
        for _ in 0..<1000 {
            let milliseconds = Int64.random(in: 0...0xFFFF_FFFF_FFFF, using: &random)
            let id = ExportID(at: Timestamp(milliseconds: milliseconds), random: &random).description
            let groups = id.split(separator: "-").map(String.init)
            try #require(groups.map(\.count) == [8, 4, 4, 4, 12])
            try #require(Int64(groups[0] + groups[1], radix: 16) == milliseconds)
            try #require(groups[2].first == "7")
            try #require("89ab".contains(groups[3].prefix(1)))
            try #require(id == id.lowercased())
        }
    }

    /// The example of RFC 9562, A.6: its time, version and variant, with the random bits given.
    @Test func matchesTheExampleOfTheStandard() {
        var random = Fixed(words: [0xCC3, 0x18C4_DC0C_0C07_398F << 2])
        let id = ExportID(at: Timestamp(milliseconds: 0x017F_22E2_79B0), random: &random)
        #expect(id.description.hasPrefix("017f22e2-79b0-7"))
        #expect(id.description.hasSuffix("-98c4-dc0c0c07398f"))
    }

    @Test func sortsByTime() {
        var random = SeededRandom(seed: 2)
        let ids = (0..<500).map { ExportID(at: Timestamp(milliseconds: 1_780_000_000_000 + $0), random: &random) }
        #expect(ids.shuffled(using: &random).sorted() == ids)
    }

    @Test func differsWithinOneMillisecond() {
        var random = SeededRandom(seed: 3)
        let ids = Set((0..<10_000).map { _ in ExportID(at: Timestamp(milliseconds: 5), random: &random) })
        #expect(ids.count == 10_000)
    }

    @Test func aTimeBeforeTheEpochCountsAsTheEpoch() {
        var random = SeededRandom(seed: 4)
        #expect(ExportID(at: Timestamp(milliseconds: -5), random: &random).description.hasPrefix("00000000-0000-7"))
    }

    @Test func readsEitherCase() {
        let text = "01981f3e-7c1a-7b52-9d3e-0242ac120002"
        #expect(ExportID(text)?.description == text)
        #expect(ExportID(text.uppercased()) == ExportID(text))
    }

    @Test(arguments: [
        "", "01981f3e7c1a7b529d3e0242ac120002", "{01981f3e-7c1a-7b52-9d3e-0242ac120002}",
        "01981f3e-7c1a-7b52-9d3e-0242ac12000", "01981f3e-7c1a-7b52-9d3e-0242ac1200022",
        "01981f3g-7c1a-7b52-9d3e-0242ac120002", "01981f3e-7c1a-7b52-9d3e0-242ac120002",
        "01981f3e_7c1a_7b52_9d3e_0242ac120002", "０1981f3e-7c1a-7b52-9d3e-0242ac12000",
        "../../../../../../../../../../../etc",
    ])
    func refuses(_ text: String) {
        #expect(ExportID(text) == nil)
    }

    @Test func codesAsText() throws {
        let id = try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002"))
        let data = try JSONEncoder().encode([id])
        #expect(String(decoding: data, as: UTF8.self) == #"["01981f3e-7c1a-7b52-9d3e-0242ac120002"]"#)
        #expect(try JSONDecoder().decode([ExportID].self, from: data) == [id])
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([ExportID].self, from: Data(#"["7"]"#.utf8))
        }
    }
}

/// Gives the words it was made with, then zeros.
private struct Fixed: RandomNumberGenerator {
    var words: [UInt64]

    mutating func next() -> UInt64 { words.isEmpty ? 0 : words.removeFirst() }
}
