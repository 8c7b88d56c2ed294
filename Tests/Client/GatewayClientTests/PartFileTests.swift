import Foundation
import TestSupport
import Testing

@testable import GatewayClient

/// What stands beside a file as long as it is downloaded.
@Suite struct PartFileTests {
    private typealias Files = DownloadTests

    @Test(arguments: [
        ("a.csv", "a.csv"), ("a.csv.part", "a.csv.part"), ("a.csv.export-gateway-part", "a.csv_export-gateway-part"),
        ("a.Export-Gateway-Part.JSON", "a_Export-Gateway-Part.JSON"),
    ])
    func noFileHasTheNameOfAPart(name: String, other: String) {
        #expect(PartName.avoided(by: name) == other)
    }

    @Test func filesWithNamesOfPartsComeBesideEachOther() async throws {
        let names = [
            "a.csv", "a.csv.part", "a.csv.export-gateway-part", "a.csv_export-gateway-part", "a.csv.part.json",
        ]
        try await ClientBench.with { _, _ in
            Files.chunked(Files.content, [Files.field])
        } test: { bench in
            let mine = bench.directory.file("b.csv.part")
            try Data("mine".utf8).write(to: URL(filePath: mine))
            let files = try await bench.client.download(
                Files.export(names: names + ["b.csv"]),
                to: bench.directory.path
            ) { _, _ in }
            #expect(files.map(\.check) == Array(repeating: .digest, count: 6))
            #expect(Set(files.map(\.path)).count == 6)
            for file in files { #expect(FileManager.default.contents(atPath: file.path) == Data(Files.content)) }
            #expect(FileManager.default.contents(atPath: mine) == Data("mine".utf8))
            #expect(
                try Files.names(bench)
                    == [
                        "a.csv", "a.csv.part", "a.csv.part.json", "a.csv_export-gateway-part",
                        "a (2).csv_export-gateway-part", "b.csv", "b.csv.part",
                    ]
                    .sorted()
            )
        }
    }

    @Test func whatSomebodyPutInItsPlaceGetsNoName() throws {
        let directory = try TemporaryDirectory()
        let (path, other) = (directory.file("a.csv"), directory.file("a.csv.export-gateway-part"))
        let part = try PartFile(path: path)
        unlink(other)
        #expect { try part.complete(syncing: false) } throws: { error in
            if case GatewayClientError.fileSystem = error { true } else { false }
        }
        try Data("another".utf8).write(to: URL(filePath: other))
        #expect { try part.complete(syncing: false) } throws: { error in
            if case GatewayClientError.fileSystem(let detail) = error { detail.contains("replaced") } else { false }
        }
        part.remove()
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["a.csv.export-gateway-part"])
        #expect(FileManager.default.contents(atPath: other) == Data("another".utf8))
    }

    @Test func bytesOfEarlierRunsAreNotReadForSomebodyWhoHasGone() async throws {
        try await ClientBench.with { _, _ in
            []
        } test: { bench in
            let path = bench.directory.file("a.csv")
            let (part, origin) = (path + PartName.part, path + PartName.origin)
            try Data(Files.content).write(to: URL(filePath: part))
            try JSONEncoder().encode(PartFile.Origin(export: "e", file: "1", etag: "\"v1\"", total: nil))
                .write(to: URL(filePath: origin))
            let left = try PartFile(path: path)
            let flag = CancellationFlag()
            #expect(try left.resume(export: "e", file: "1", flag)?.offset == Int64(Files.content.count))
            flag.raise()
            #expect(throws: CancellationError.self) { try left.resume(export: "e", file: "1", flag) }
            #expect(throws: CancellationError.self) { try FileDigest.of(part, unless: false, flag) }
            #expect(FileManager.default.contents(atPath: part) == Data(Files.content))
            // The flag is that of the task.
            await withTaskGroup(of: Void.self) { group in
                group.cancelAll()
                group.addTask {
                    await #expect(throws: CancellationError.self) {
                        try await bench.client.disk.run(cancellable: { try $0.check() })
                    }
                }
            }
        }
    }
}
