import Exports
import Foundation
import Testing

@Suite struct ExportFileTests {
    private func decoded(_ text: String) throws -> ExportFile {
        try JSONDecoder().decode(ExportFile.self, from: Data(text.utf8))
    }

    @Test func anUpstreamsSizeIsAClaimAndItsDigestIsNot() {
        let file = ExportFile(id: "1", name: "a", size: 3, sha256: "ab")
        #expect(file.sizeSource == .upstream)
        #expect(file.sizeState == .claimed)
        #expect(file.digestSource == .upstream)
        #expect(file.digestState == .confirmed)
        let bare = ExportFile(id: "1", name: "a")
        #expect(bare.sizeSource == nil && bare.sizeState == nil && bare.digestSource == nil && bare.digestState == nil)
    }

    @Test func whatFormerVersionsWroteWasSeenOnce() throws {
        let delivered = try decoded(#"{"id":"1","name":"a","size":84,"sha256":"ab","digestSource":"gateway"}"#)
        #expect(delivered.sizeSource == .gateway)
        #expect(delivered.sizeState == .claimed)
        #expect(delivered.digestSource == .gateway)
        #expect(delivered.digestState == .claimed)
        let told = try decoded(#"{"id":"1","name":"a","size":84,"sha256":"ab","digestSource":"upstream"}"#)
        #expect(told.digestState == .confirmed)
        // Before there were sources, only upstreams told digests.
        let older = try decoded(#"{"id":"1","name":"a","size":84,"sha256":"ab"}"#)
        #expect(older.digestSource == .upstream)
        #expect(older.digestState == .confirmed)
        #expect(try decoded(#"{"id":"1","name":"a"}"#) == ExportFile(id: "1", name: "a"))
    }

    @Test func theChecksumIsThatOfTheDigestsBytes() {
        var file = ExportFile(id: "1", name: "a", sha256: "ab")
        file.crc32 = 7
        file.sha256 = "ab"
        #expect(file.crc32 == 7)
        file.sha256 = "cd"
        #expect(file.crc32 == nil)
    }

    @Test func everyMemberComesBack() throws {
        var file = ExportFile(id: "1", name: "a", size: 3, contentType: "text/csv", sha256: "ab")
        file.crc32 = 0xFFFF_FFFE
        for source in ExportFile.Source.allCases {
            for state in ExportFile.State.allCases {
                file.sizeSource = source
                file.sizeState = state
                file.digestSource = source
                file.digestState = state
                #expect(try JSONDecoder().decode(ExportFile.self, from: JSONEncoder().encode(file)) == file)
            }
        }
    }
}
