import Foundation
import ScriptedHost
import Testing
import TestSupport

@testable import GatewayClient

/// Downloads of more than one run, and of more than one file.
@Suite struct DownloadRunsTests {
    private typealias Files = DownloadTests

    /// A run that ends in the middle: no try is left.
    private static var impatient: ClientSettings {
        var settings = ClientSettings()
        settings.retries = 0
        return settings
    }

    @Test func anotherRunGoesOn() async throws {
        let middle = 400_000
        try await ClientBench.with(settings: Self.impatient) { call, index in
            index == 0
                ? [
                    RawServer.head(200, ["Content-Length: \(Files.content.count)", Files.tag]),
                    .bytes(Array(Files.content[..<middle])), .close,
                ] : Files.part(from: Files.first(call) ?? 0)
        } test: { bench in
            await #expect(throws: GatewayClientError.self) { try await Files.download(bench, Files.export()) }
            #expect(
                try Files.names(bench) == ["Report.csv.export-gateway-part", "Report.csv.export-gateway-part.json"]
            )
            // What had come and was not read when the connection broke may be lost with it.
            let part = bench.directory.file("Report.csv.export-gateway-part")
            let left = try #require(FileManager.default.contents(atPath: part)).count
            #expect((1...middle).contains(left))
            let file = try await Files.download(bench, Files.export(sha256: Files.sha256))
            #expect(bench.calls[1].headers["range"] == "bytes=\(left)-")
            #expect(bench.calls[1].headers["if-range"] == "\"v1\"")
            #expect(file.fetched == Int64(Files.content.count - left))
            #expect(Files.written(bench) == Files.content)
            #expect(try Files.names(bench) == ["Report.csv"])
        }
    }

    @Test func bytesThatTheDiskChangedAreFetchedAgain() async throws {
        try await ClientBench.with { call, _ in
            Files.first(call).map { Files.part(from: $0) } ?? Files.chunked(Files.content, [Files.tag])
        } test: { bench in
            let part = bench.directory.file("Report.csv.export-gateway-part")
            try Data(repeating: 7, count: 1000).write(to: URL(filePath: part))
            let origin = PartFile.Origin(export: "e", file: "1", etag: "\"v1\"", total: Int64(Files.content.count))
            try JSONEncoder().encode(origin).write(to: URL(filePath: part + ".json"))
            _ = try await Files.download(bench, Files.export(sha256: Files.sha256))
            #expect(Files.written(bench) == Files.content)
            #expect(bench.calls.map { $0.headers["range"] } == ["bytes=1000-", nil])
        }
    }

    @Test(arguments: [
        ClientBench.problem(403, "forbidden"), ClientBench.export(Files.export(sha256: Files.sha256).json),
    ])
    func bytesThatNoDigestVouchesForAreFetchedAgain(record: RawServer.Step) async throws {
        try await ClientBench.with { call, _ in
            guard call.target.contains("files") else { return [record] }
            return Files.first(call).map { Files.part(from: $0) } ?? Files.chunked(Files.content, [Files.field])
        } test: { bench in
            let part = bench.directory.file("Report.csv.export-gateway-part")
            try Data(repeating: 7, count: 1000).write(to: URL(filePath: part))
            let origin = PartFile.Origin(export: "e", file: "1", etag: "\"v1\"", total: Int64(Files.content.count))
            try JSONEncoder().encode(origin).write(to: URL(filePath: part + ".json"))
            let file = try await Files.download(bench, Files.export())
            #expect(file.check == .digest)
            #expect(Files.written(bench) == Files.content)
            let requests = bench.calls.filter { $0.target.contains("files") }
            #expect(requests.map { $0.headers["range"] } == ["bytes=1000-", nil])
        }
    }

    @Test func whatAnotherFileLeftIsDropped() async throws {
        try await ClientBench.with { _, _ in
            Files.chunked(Files.content, [Files.field])
        } test: { bench in
            let part = bench.directory.file("Report.csv.export-gateway-part")
            try Data(repeating: 7, count: 1000).write(to: URL(filePath: part))
            let origin = PartFile.Origin(export: "another", file: "1", etag: "\"v1\"", total: nil)
            try JSONEncoder().encode(origin).write(to: URL(filePath: part + ".json"))
            _ = try await Files.download(bench, Files.export())
            #expect(Files.written(bench) == Files.content)
            #expect(bench.calls.map { $0.headers["range"] } == [nil])
        }
    }

    @Test func aFileThatIsThereIsNotFetchedAgain() async throws {
        try await ClientBench.with { _, _ in
            Files.chunked(Files.content, [Files.field])
        } test: { bench in
            _ = try await Files.download(bench, Files.export())
            let again = try await Files.download(bench, Files.export(sha256: Files.sha256))
            #expect(again.fetched == 0)
            #expect(bench.calls.count == 1)
            await #expect { try await Files.download(bench, Files.export()) } throws: { error in
                if case GatewayClientError.fileSystem = error { true } else { false }
            }
            let replaced = try await bench.client.download(
                Files.export(),
                to: bench.directory.path,
                replaces: true
            ) { _, _ in }
            #expect(replaced.map(\.fetched) == [Int64(Files.content.count)])
        }
    }

    @Test func twoRunsDoNotWriteIntoOneFile() async throws {
        try await ClientBench.with { _, _ in
            Files.chunked(Files.content, [Files.field])
        } test: { bench in
            let other = try PartFile(path: bench.directory.file("Report.csv"))
            await #expect { try await Files.download(bench, Files.export()) } throws: { error in
                if case GatewayClientError.fileSystem(let detail) = error {
                    detail.contains("another process")
                } else {
                    false
                }
            }
            other.remove()
        }
    }

    @Test func severalFilesComeAtATime() async throws {
        var settings = ClientSettings()
        settings.parallelDownloads = 3
        let names = ["a.csv", "a.csv", "../b", "c", "d", "e", "f"]
        let open = Events<RawServer.Call>()
        try await ClientBench.with(settings: settings) { call, _ in
            open.add(call)
            return []
        } test: { bench in
            async let files = bench.client.download(Files.export(names: names), to: bench.directory.path) { _, _ in }
            // Three are asked for, and no fourth before one of them has ended.
            for count in stride(from: 3, through: names.count, by: 1) {
                await open.reach(count)
                #expect(open.all.count == count)
                open.all[count - 3].send(Files.chunked(Files.content, [Files.field]))
            }
            for index in names.count - 2..<names.count {
                open.all[index].send(Files.chunked(Files.content, [Files.field]))
            }
            let done = try await files
            #expect(done.map(\.file.id) == names.indices.map { "\($0 + 1)" })
            #expect(try Files.names(bench) == ["_b", "a (2).csv", "a.csv", "c", "d", "e", "f"].sorted())
        }
    }

    @Test func oneErrorEndsTheOthersWhichGoOnLater() async throws {
        try await ClientBench.with(settings: Self.impatient) { call, _ in
            call.target.hasSuffix("/1")
                ? [ClientBench.problem(410, "expired")]
                : [RawServer.head(200, ["Content-Length: 1000", Files.tag]), .bytes([1])]
        } test: { bench in
            await #expect { try await Files.download(bench, Files.export(names: ["a", "b"])) } throws: { error in
                if case GatewayClientError.refused(let problem) = error { problem.status == 410 } else { false }
            }
        }
    }

    @Test func aDirectoryThatIsNotThereIsNamed() async throws {
        try await ClientBench.with { _, _ in
            []
        } test: { bench in
            await #expect {
                try await bench.client.download(Files.export(), to: bench.directory.file("none")) { _, _ in }
            } throws: { error in
                if case GatewayClientError.fileSystem(let detail) = error {
                    detail.contains("No such file")
                } else {
                    false
                }
            }
            #expect(bench.calls.isEmpty)
        }
    }
}
