import Foundation
import JSON
import ScriptedHost
import SystemCrypto
import TestSupport
import Testing

@testable import GatewayClient

@Suite struct DownloadTests {
    /// Bytes in which a lost or doubled piece shows.
    static let content: [UInt8] = (0..<1_000_003).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ ($0 >> 8)) }
    static let sha256 = Hexadecimal.encode(SHA256.hash(content))
    static let tag = "ETag: \"v1\""

    static var field: String {
        let bytes = SHA256.hash(content)
        return "Unencoded-Digest: sha-256=:\(Data(bytes).base64EncodedString()):"
    }

    static func export(size: Int? = nil, sha256: String? = nil, names: [String] = ["Report.csv"]) -> GatewayExport {
        let files = names.enumerated()
            .map { index, name in
                var file: [String: JSONValue] = ["id": .string("\(index + 1)"), "name": .string(name)]
                file["size"] = size.map { .integer(Int64($0)) }
                file["sha256"] = sha256.map { .string($0) }
                return JSONValue.object(file)
            }
        return GatewayExport(["id": "e", "status": "succeeded", "completedAt": "x", "files": .array(files)])!
    }

    /// The first byte that a call asks for.
    static func first(_ call: RawServer.Call) -> Int? {
        call.headers["range"].flatMap { Int($0.dropFirst("bytes=".count).dropLast()) }
    }

    /// The file from a byte on, up to another one: whole, or cut there.
    static func part(from first: Int, to end: Int = content.count, _ fields: [String] = []) -> [RawServer.Step] {
        let range = "Content-Range: bytes \(first)-\(content.count - 1)/\(content.count)"
        let head = RawServer.head(206, [range, "Content-Length: \(content.count - first)", tag] + fields)
        return [head, .bytes(Array(content[first..<end]))] + (end < content.count ? [.close] : [])
    }

    static func chunked(_ bytes: some Collection<UInt8>, _ fields: [String] = [], trailer: [String]? = []) -> [RawServer
        .Step]
    {
        let head = RawServer.head(200, ["Transfer-Encoding: chunked"] + fields)
        let size = String(bytes.count, radix: 16)
        let body = RawServer.Step.bytes(Array("\(size)\r\n".utf8) + Array(bytes) + Array("\r\n".utf8))
        guard let trailer else { return [head, body, .close] }
        return [head, body, .text((["0"] + trailer + ["", ""]).joined(separator: "\r\n"))]
    }

    static func download(_ bench: ClientBench, _ export: GatewayExport) async throws -> DownloadedFile {
        try await #require(bench.client.download(export, to: bench.directory.path) { _, _ in }.first)
    }

    static func written(_ bench: ClientBench, _ name: String = "Report.csv") -> [UInt8]? {
        FileManager.default.contents(atPath: bench.directory.file(name)).map(Array.init)
    }

    static func names(_ bench: ClientBench) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: bench.directory.path).sorted()
    }

    @Test func aFileThatIsCutFiveTimesIsWhole() async throws {
        let step = Self.content.count / 6
        try await ClientBench.with { call, index in
            index < 5
                ? (index == 0
                    ? [
                        RawServer.head(200, ["Content-Length: \(Self.content.count)", Self.tag]),
                        .bytes(Array(Self.content[..<step])), .close,
                    ]
                    : Self.part(from: Self.first(call) ?? 0, to: step * (index + 1)))
                : Self.part(from: Self.first(call) ?? 0)
        } test: { bench in
            let file = try await Self.download(bench, Self.export(sha256: Self.sha256))
            #expect(Self.written(bench) == Self.content)
            #expect(try Self.names(bench) == ["Report.csv"])
            #expect((file.sha256, file.check, file.bytes) == (Self.sha256, .digest, Int64(Self.content.count)))
            #expect(file.fetched == Int64(Self.content.count))
            #expect(bench.calls.count == 6)
            #expect(bench.calls.dropFirst().allSatisfy { $0.headers["if-range"] == "\"v1\"" })
        }
    }

    @Test func theTrailerVerifies() async throws {
        try await ClientBench.with { _, _ in
            Self.chunked(Self.content, trailer: [Self.field])
        } test: { bench in
            // What the upstream claimed of the size is of no account beside it.
            let file = try await Self.download(bench, Self.export(size: 12))
            #expect(file.check == .digest)
            #expect(bench.calls[0].headers["te"] == "trailers")
            #expect(bench.calls[0].headers["accept-encoding"] == "identity")
        }
    }

    @Test func halfAFileThatSomethingCompletedIsFound() async throws {
        let half = Self.content[..<(Self.content.count / 2)]
        for (record, fields) in [
            (Self.export(size: Self.content.count), []), (Self.export(sha256: Self.sha256), [Self.tag]),
            (Self.export(), [Self.field]),
        ] {
            try await ClientBench.with { _, _ in
                Self.chunked(half, fields)
            } test: { bench in
                await #expect { try await Self.download(bench, record) } throws: { error in
                    switch error as? GatewayClientError {
                    case .fileIncomplete, .fileWrong: true
                    default: false
                    }
                }
                #expect(Self.written(bench) == nil)
            }
        }
    }

    @Test func theRecordOfTheDeliveryFindsHalfAFile() async throws {
        let half = Self.content[..<(Self.content.count / 2)]
        try await ClientBench.with { call, _ in
            call.target.contains("deliveries")
                ? [RawServer.answer(200, body: #"{"value":[{"outcome":"abandoned","fileBytes":500000}]}"#)]
                : Self.chunked(half)
        } test: { bench in
            await #expect { try await Self.download(bench, Self.export()) } throws: { error in
                if case GatewayClientError.fileIncomplete = error { true } else { false }
            }
            #expect(Self.written(bench) == nil)
            let ids = bench.calls.filter { $0.target.contains("files") }.compactMap { $0.headers["x-request-id"] }
            #expect(bench.calls.filter { $0.target.contains("requestId=\(ids[0])") }.count == 1)
        }
    }

    @Test func theRecordOfTheDeliveryVerifies() async throws {
        try await ClientBench.with { call, index in
            guard call.target.contains("deliveries") else { return Self.chunked(Self.content) }
            let row =
                index < 3
                ? #"{"outcome":"underWay"}"# : #"{"outcome":"whole","fileBytes":1000003,"sha256":"\#(Self.sha256)"}"#
            return [RawServer.answer(200, body: #"{"value":[\#(row)]}"#)]
        } test: { bench in
            let file = try await Self.download(bench, Self.export())
            #expect(file.check == .delivery)
            #expect(Self.written(bench) == Self.content)
        }
    }

    @Test func aFileThatNothingVouchesForIsNotTaken() async throws {
        let script: RawServer.Script = { call, _ in
            call.target.contains("deliveries") ? [ClientBench.problem(403, "forbidden")] : Self.chunked(Self.content)
        }
        try await ClientBench.with(script) { bench in
            await #expect { try await Self.download(bench, Self.export()) } throws: { error in
                if case GatewayClientError.fileUnverified = error { true } else { false }
            }
            #expect(Self.written(bench) == nil)
        }
        var settings = ClientSettings()
        settings.takesUnverifiedFiles = true
        try await ClientBench.with(settings: settings, script) { bench in
            let file = try await Self.download(bench, Self.export())
            #expect(file.check == .none)
            #expect(Self.written(bench) == Self.content)
        }
    }

    @Test func aWrongFileIsRemoved() async throws {
        try await ClientBench.with { _, _ in
            Self.chunked(Self.content.reversed(), [Self.field])
        } test: { bench in
            await #expect { try await Self.download(bench, Self.export()) } throws: { error in
                if case GatewayClientError.fileWrong = error { true } else { false }
            }
            let left = try Self.names(bench)
            #expect(left.isEmpty)
        }
    }

    @Test func anotherVersionIsNeverMixedIn() async throws {
        try await ClientBench.with { _, index in
            index == 0
                ? [
                    RawServer.head(200, ["Content-Length: 1000", "ETag: \"old\""]),
                    .bytes([UInt8](repeating: 1, count: 500)), .close,
                ]
                : Self.chunked(Self.content, [Self.tag, Self.field])
        } test: { bench in
            let file = try await Self.download(bench, Self.export())
            #expect(Self.written(bench) == Self.content)
            #expect(bench.calls[1].headers["range"] == "bytes=500-")
            #expect(bench.calls[1].headers["if-range"] == "\"old\"")
            #expect(file.fetched == Int64(Self.content.count) + 500)
        }
    }

    @Test func itEndsWhereItGetsNoFurther() async throws {
        try await ClientBench.with { _, _ in
            [RawServer.head(200, ["Content-Length: 1000"]), .bytes([1, 2, 3]), .close]
        } test: { bench in
            await #expect { try await Self.download(bench, Self.export()) } throws: { error in
                if case GatewayClientError.fileIncomplete = error { true } else { false }
            }
            #expect(
                bench.calls.count == bench.client.settings.retries + 1
                    || bench.calls.count == bench.client.settings.retries + 2
            )
        }
    }

    @Test func anEmptyFileIsAFile() async throws {
        try await ClientBench.with { _, _ in
            [RawServer.answer(200, ["Repr-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"])]
        } test: { bench in
            let file = try await Self.download(bench, Self.export())
            #expect(file.bytes == 0)
            #expect(Self.written(bench) == [])
        }
    }
}
