import Foundation
import NIOCore
import Testing
import ZlibReference

@testable import ParallelGzip

/// Programs that share nothing with us but the format.
@Suite struct OtherReadersTests {
    struct Reader: Sendable, CustomTestStringConvertible {
        var command: [String]
        var testDescription: String { command[0] }

        static let all = [
            Reader(command: ["/usr/bin/gzip", "-dc"]),
            Reader(command: [
                "/usr/bin/python3", "-c",
                "import gzip, sys; sys.stdout.buffer.write(gzip.decompress(open(sys.argv[1], 'rb').read()))",
            ]),
        ]
    }

    @Test(
        .enabled(if: Reader.all.allSatisfy { FileManager.default.isExecutableFile(atPath: $0.command[0]) }),
        arguments: Reader.all
    )
    func readTheSameBytes(reader: Reader) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "file.gz")
        for bytes in [[], rows(1), rows(GzipEncoder.blockSize), rows(1_000_000) + noise(300_000)] {
            for level in GzipLevel.allCases {
                for engine in GzipEngine.available {
                    let encoded = try await GzipEncoder(level: level, pool: pool, engine: engine).encode(bytes).bytes
                    try Data(encoded).write(to: file)
                    #expect(try output(of: reader.command + [file.path]) == bytes, "\(level) \(engine)")
                }
            }
        }
    }

    /// Of a stream that was broken off, all of them say that it is wrong, and none that it is short.
    @Test(
        .enabled(if: Reader.all.allSatisfy { FileManager.default.isExecutableFile(atPath: $0.command[0]) }),
        arguments: Reader.all
    )
    func refuseWhatWasBrokenOff(reader: Reader) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString + ".gz")
        defer { try? FileManager.default.removeItem(at: file) }
        var encoded: [UInt8] = []
        var pieces = 3
        try? await GzipEncoder(level: .fast, pool: pool)
            .encode {
                pieces -= 1
                if pieces == 0 { throw Broken() }
                return ByteBuffer(bytes: rows(GzipEncoder.blockSize))
            } to: {
                encoded += $0.readableBytesView
            } breakOff: {
                encoded += $0.readableBytesView
            }
        try Data(encoded).write(to: file)
        #expect(try output(of: reader.command + [file.path]) == nil)
    }

    private func output(of command: [String]) throws -> [UInt8]? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return process.terminationStatus == 0 ? Array(bytes) : nil
    }
}
