import Exports
import JSON
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import SystemCrypto
import Testing

/// Rules about files: what they begin with, and what is told of them.
@Suite struct FileFaultTests {
    @Test func aFileBeginsLate() async throws {
        try await withLab { lab in
            lab.sandbox.addRule(SandboxRule(operation: "*.start", fault: .leadingBytes([0xEF, 0xBB, 0xBF])))
            let token = try await lab.token(Lab.powerBIScope)
            let report = "\(lab.reports)/\(SandboxSeed.powerBIReportID)"
            let start = try await lab.post("\(report)/ExportTo", token: token, ["format": "PDF"])
            lab.finishJobs()
            let file = try await lab.get(try #require(start.location) + "/file", token: token)
            #expect(file.body.readableBytes == 65_536)
            #expect(file.body.readableBytesView.starts(with: [0xEF, 0xBB, 0xBF] + Array("%PDF-1.7".utf8)))
            let told = try #require(lab.sandbox.account.jobs.first?.files.first)
            #expect(told.sha256 == Hexadecimal.encode(SHA256.hash(Array(file.body.readableBytesView))))
        }
    }

    /// APPNOTE.TXT 8.5.4: the marker of an archive that was to be split. Offsets count from the file's beginning.
    @Test func anArchiveBehindAMarkerKeepsItsOffsets() async throws {
        try await withLab { lab in
            let marker: [UInt8] = [0x50, 0x4B, 0x30, 0x30]
            lab.sandbox.addRule(SandboxRule(operation: "*.start", fault: .leadingBytes(marker)))
            let url = try await DownloadTests.file(lab)
            let purview = try await lab.token(Lab.purviewScope)
            let bytes = Array(
                try await lab.get(url, token: purview, headers: [DownloadTests.header]).body.readableBytesView
            )
            #expect(bytes.count == 65_536)
            #expect(bytes.starts(with: marker + [0x50, 0x4B, 0x03, 0x04]))
            let directory = Int(littleEndian(bytes.suffix(6).prefix(4)))
            #expect(Array(bytes[directory..<directory + 4]) == [0x50, 0x4B, 0x01, 0x02])
            #expect(littleEndian(bytes[directory + 42..<directory + 46]) == 4)
        }
    }

    private func littleEndian(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    @Test func theListTellsAnotherSize() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let start = try await lab.post(
                "\(lab.security)/searches/\(SandboxSeed.searchID)/exportResult",
                token: token,
                GraphExportTests.result
            )
            lab.finishJobs()
            lab.sandbox.addRule(SandboxRule(operation: "graph.status", times: 1, fault: .listedSize(differsBy: -512)))
            var sizes: [[Int64?]] = []
            for _ in 0..<2 {
                let files = try await lab.get(try #require(start.location), token: token).json["exportFileMetadata"]
                sizes.append(files?.array?.map { $0["size"]?.integer } ?? [])
            }
            #expect(sizes == [[65_024, 7452], [65_536, 7964]])
        }
    }
}
