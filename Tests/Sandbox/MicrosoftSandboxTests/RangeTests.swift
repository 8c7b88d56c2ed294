import Exports
import JSON
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

@Suite struct RangeTests {
    /// A package on the storage host, and all of it.
    private func package(_ lab: Lab) async throws -> (url: String, whole: Reply, tag: String) {
        lab.sandbox.addRule(SandboxRule(operation: "graph.start", fault: .preAuthorizedLink))
        let url = try await DownloadTests.file(lab)
        let whole = try await lab.get(url)
        return (url, whole, try #require(whole.headers.first(name: "ETag")))
    }

    @Test func aPartIsSentOnlyOfTheFileThatIsMeant() async throws {
        try await withLab { lab in
            let (url, whole, tag) = try await package(lab)
            #expect(tag.hasPrefix("\"") && tag.hasSuffix("\""))
            #expect(whole.headers.first(name: "Accept-Ranges") == "bytes")
            let same = try await lab.get(url, headers: [("Range", "bytes=100-199"), ("If-Range", tag)])
            #expect(same.status == 206)
            #expect(same.body == whole.body.getSlice(at: 100, length: 100))
            for other in ["\"other\"", "W/" + tag, "Wed, 21 Oct 2026 07:28:00 GMT"] {
                let all = try await lab.get(url, headers: [("Range", "bytes=100-199"), ("If-Range", other)])
                #expect(all.status == 200)
                #expect(all.body == whole.body)
            }
        }
    }

    @Test func theAccountTellsWhatWasAskedFor() async throws {
        try await withLab { lab in
            let (url, _, tag) = try await package(lab)
            _ = try await lab.get(url, headers: [("Range", "bytes=7-"), ("If-Range", tag)])
            let calls = lab.sandbox.account.calls.filter { $0.operation == "graph.blob" || $0.service == "download" }
            #expect(calls.map(\.range) == [nil, "bytes=7-"])
            #expect(calls.map(\.ifRange) == [nil, tag])
            #expect(calls.map(\.status) == [200, 206])
            let shown = try await lab.get("\(lab.addresses.api)/_sandbox/account").json["calls"]?.array ?? []
            #expect(shown.last?["range"] == "bytes=7-")
            #expect(shown.last?["ifRange"]?.string == tag)
        }
    }

    @Test func aHostWithoutRangesSendsTheWhole() async throws {
        try await withLab { lab in
            let (url, whole, tag) = try await package(lab)
            lab.sandbox.addRule(SandboxRule(operation: "*.download", fault: .noRanges))
            for range in ["bytes=5-", "bytes=99999999-"] {
                let all = try await lab.get(url, headers: [("Range", range), ("If-Range", tag)])
                #expect(all.status == 200)
                #expect(!all.headers.contains(name: "Accept-Ranges"))
                #expect(all.headers.first(name: "ETag") == tag)
                #expect(all.body == whole.body)
            }
        }
    }

    @Test func anyHostServesRangesWhenToldTo() async throws {
        try await withLab { lab in
            let url = try await DownloadTests.content(lab)
            let range = [("Range", "bytes=10-19")]
            let all = try await lab.get(url, token: GoalsTests.user, headers: range)
            #expect(all.status == 200)
            #expect(!all.headers.contains(name: "ETag"))
            lab.sandbox.addRule(SandboxRule(operation: "goals.content", fault: .ranges))
            let part = try await lab.get(url, token: GoalsTests.user, headers: range)
            #expect(part.status == 206)
            #expect(part.headers.first(name: "Content-Range") == "bytes 10-19/65536")
            #expect(part.headers.contains(name: "ETag"))
            #expect(part.body == all.body.getSlice(at: 10, length: 10))
        }
    }

    @Test(arguments: [false, true])
    func aFileThatChangesIsAnotherOneFromTheSecondRequestOn(untagged: Bool) async throws {
        try await withLab { lab in
            lab.sandbox.addRule(SandboxRule(operation: "graph.start", fault: .preAuthorizedLink))
            let url = try await DownloadTests.file(lab)
            if untagged { lab.sandbox.addRule(SandboxRule(operation: "*.download", fault: .noETag)) }
            lab.sandbox.addRule(SandboxRule(operation: "*.download", after: 1, fault: .changedFile))
            let first = try await lab.get(url)
            let second = try await lab.get(url)
            #expect(first.body.readableBytes == second.body.readableBytes)
            #expect(first.body != second.body)
            #expect(second.body.readableBytesView.starts(with: Array("PK".utf8)))
            let tag = first.headers.first(name: "ETag")
            #expect((tag == nil) == untagged)
            if let tag {
                #expect(second.headers.first(name: "ETag") != tag)
                let all = try await lab.get(url, headers: [("Range", "bytes=9-"), ("If-Range", tag)])
                #expect(all.status == 200)
                #expect(all.body == second.body)
            } else {
                let part = try await lab.get(url, headers: [("Range", "bytes=9-")])
                #expect(part.status == 206)
                #expect(!part.headers.contains(name: "ETag"))
                #expect(part.body == second.body.getSlice(at: 9, length: second.body.readableBytes - 9))
            }
        }
    }

    /// Every piece of the file differs, so that no join of two versions passes for one.
    @Test func everyPartOfAChangedFileDiffers() async throws {
        try await withLab { lab in
            let size: Int64 = 3 << 20
            lab.sandbox.addRule(SandboxRule(operation: "goals.start", fault: .fileContent(bytes: size, kind: .csv)))
            let url = try await DownloadTests.content(lab)
            lab.sandbox.addRule(SandboxRule(operation: "goals.content", after: 1, fault: .changedFile))
            let first = try await lab.get(url, token: GoalsTests.user).body
            let second = try await lab.get(url, token: GoalsTests.user).body
            let step = 65_536
            for start in stride(from: 0, to: Int(size) - step, by: step) {
                #expect(first.getSlice(at: start, length: step) != second.getSlice(at: start, length: step))
            }
        }
    }

    @Test func aCutPartBreaksOffWhereItIsTold() async throws {
        try await withLab { lab in
            let (url, _, _) = try await package(lab)
            lab.sandbox.addRule(SandboxRule(operation: "*.download", times: 1, fault: .cutDownload(afterBytes: 10)))
            await #expect(throws: (any Error).self) {
                try await lab.get(url, headers: [("Range", "bytes=100-199")])
            }
            #expect(try await lab.get(url, headers: [("Range", "bytes=110-199")]).status == 206)
        }
    }
}
