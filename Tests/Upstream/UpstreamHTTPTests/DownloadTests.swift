import Exports
import JSON
import ManualClock
import NIOCore
import ScriptedHost
import Testing
import TestSupport
import UpstreamHTTP

@Suite struct DownloadTests {
    /// Bytes in which a lost or doubled piece shows.
    private static let file: [UInt8] = (0..<1_000_003).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ ($0 >> 8)) }

    private static func chunked(_ bytes: [UInt8], size: Int = 70_001, isWhole: Bool = true) -> [RawServer.Step] {
        var steps = [RawServer.head(200, ["Transfer-Encoding: chunked"])]
        for start in stride(from: 0, to: bytes.count, by: size) {
            let piece = bytes[start..<min(start + size, bytes.count)]
            steps.append(.bytes(Array((String(piece.count, radix: 16) + "\r\n").utf8) + piece + Array("\r\n".utf8)))
        }
        return steps + [isWhole ? .text("0\r\n\r\n") : .close]
    }

    @Test(arguments: [true, false])
    func everyByteInItsOrder(_ isChunked: Bool) async throws {
        try await Upstream.with { _, _ in
            isChunked
                ? Self.chunked(Self.file)
                : [
                    RawServer.head(200, ["Content-Length: \(Self.file.count)", "Content-Type: application/pdf"]),
                    .bytes(Self.file),
                ]
        } test: { upstream in
            for expectedLength in [nil, Int64(Self.file.count)] {
                let download = try await upstream.download(
                    upstream.request(.get, bearer: true),
                    expectedLength: expectedLength
                )
                #expect(download.status == 200)
                #expect(download.contentLength == (isChunked ? nil : Int64(Self.file.count)))
                let (bytes, error) = await read(download.bytes)
                #expect(bytes == Self.file)
                #expect(error == nil)
            }
        }
    }

    @Test func aConnectionThatEndsBeforeTheHeadIsTriedOnceMore() async throws {
        try await Upstream.with { _, index in
            [index == 1 ? RawServer.answer(200, body: "1234567890") : .close]
        } test: { upstream in
            let (bytes, error) = await read(try await upstream.download(upstream.request(.get)).bytes)
            #expect(bytes == Array("1234567890".utf8))
            #expect(error == nil)
            await #expect(throws: ProviderError.self) { try await upstream.download(upstream.request(.get)) }
            #expect(upstream.server.calls.count == 4)
        }
    }

    @Test func anEmptyFileIsAFile() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(200)]
        } test: { upstream in
            let (bytes, error) = await read(
                try await upstream.download(upstream.request(.get), expectedLength: 0).bytes
            )
            #expect(bytes.isEmpty)
            #expect(error == nil)
        }
    }

    @Test(arguments: [true, false])
    func anEarlyEndIsAnErrorAfterTheBytesThatCame(_ isChunked: Bool) async throws {
        let half = Array(Self.file.prefix(500_000))
        try await Upstream.with { _, _ in
            isChunked
                ? Self.chunked(half, isWhole: false)
                : [RawServer.head(200, ["Content-Length: \(Self.file.count)"]), .bytes(half), .close]
        } test: { upstream in
            let (bytes, error) = await read(try await upstream.download(upstream.request(.get)).bytes)
            let thrown = try #require(error as? ProviderError)
            #expect(thrown.code == .transient)
            #expect(thrown.problem == .upstreamBroken)
            #expect(bytes == Array(Self.file.prefix(bytes.count)))
            #expect(thrown.detail.contains("\(bytes.count)"))
        }
    }

    /// What is claimed of a file is not held against framings that know their own end.
    @Test(arguments: [499_999, 500_001])
    func aChunkedFileEndsWhereItsChunksDo(_ expectedLength: Int64) async throws {
        try await Upstream.with { _, _ in
            Self.chunked(Array(Self.file.prefix(500_000)))
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get), expectedLength: expectedLength)
            let (bytes, error) = await read(download.bytes)
            #expect(error == nil)
            #expect(bytes.count == 500_000)
        }
    }

    @Test func bytesPastTheAnnouncedEndAreNotTheFile() async throws {
        try await Upstream.with { _, index in
            index == 0
                ? [RawServer.head(200, ["Content-Length: 10"]), .text("0123456789HTTP/1.1 200 smuggled\r\n\r\n")]
                : [RawServer.answer(200, body: "second")]
        } test: { upstream in
            let (bytes, error) = await read(try await upstream.download(upstream.request(.get)).bytes)
            #expect(String(decoding: bytes, as: UTF8.self) == "0123456789")
            #expect(error == nil)
            let next = try await upstream.send(upstream.request(.get))
            #expect(String(decoding: next.body, as: UTF8.self) == "second")
        }
    }

    @Test func aFileWithoutAnEndIsRefused() async throws {
        try await Upstream.with { _, _ in
            [RawServer.head(200, ["X: y"]), .text("0123456789"), .close]
        } test: {
            upstream in
            let error = try await providerError { try await upstream.download(upstream.request(.get)) }
            #expect(error.code == .permanent)
            // With the length known beforehand the end can be told.
            let (bytes, none) = await read(
                try await upstream.download(upstream.request(.get), expectedLength: 10).bytes
            )
            #expect(bytes.count == 10)
            #expect(none == nil)
            let (_, short) = await read(try await upstream.download(upstream.request(.get), expectedLength: 11).bytes)
            #expect((short as? ProviderError)?.problem == .upstreamBroken)
        }
    }

    @Test(arguments: [9, 11])
    func anAnnouncedLengthIsToldWhateverIsClaimed(_ expectedLength: Int64) async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(200, body: "0123456789")]
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get), expectedLength: expectedLength)
            #expect(download.contentLength == 10)
            let (bytes, error) = await read(download.bytes)
            #expect(error == nil)
            #expect(bytes.count == 10)
        }
    }

    @Test func anEncodedBodyMayHaveAnotherLength() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(200, ["Content-Encoding: gzip"], body: "squeezed")]
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get), expectedLength: 1000)
            #expect(download.contentLength == 8)
            #expect(await read(download.bytes).error == nil)
        }
    }

    @Test func silenceInTheMiddleIsATimeout() async throws {
        try await Upstream.with(idleTimeout: .seconds(2)) { _, _ in
            [RawServer.head(200, ["Content-Length: 100"]), .text("0123456789")]
        } test: { upstream in
            let (bytes, error) = await read(try await upstream.download(upstream.request(.get)).bytes)
            #expect(Array("0123456789".utf8).starts(with: bytes))
            let thrown = try #require(error as? ProviderError)
            #expect(thrown.code == .transient)
            #expect(thrown.problem == .upstreamTimeout)
            await upstream.server.log.closings.reach(1)
        }
    }

    @Test func cancellationClosesTheUpstream() async throws {
        try await Upstream.with { _, _ in
            [RawServer.head(200, ["Content-Length: 100"]), .text("0123456789")]
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get))
            let (begun, begin) = AsyncStream.makeStream(of: Void.self)
            let reader = Task {
                var iterator = download.bytes.makeAsyncIterator()
                _ = try await iterator.next()
                begin.yield()
                return try await iterator.next()
            }
            for await _ in begun { break }
            reader.cancel()
            await #expect(throws: (any Error).self) { try await reader.value }
            await upstream.server.log.closings.reach(1)
        }
    }

    @Test func lettingGoClosesTheUpstream() async throws {
        try await Upstream.with { _, _ in
            [RawServer.head(200, ["Content-Length: 100"]), .text("0123456789")]
        } test: { upstream in
            try await Self.readOne(upstream)
            await upstream.server.log.closings.reach(1)
        }
    }

    private static func readOne(_ upstream: Upstream) async throws {
        let download = try await upstream.download(upstream.request(.get))
        for try await _ in download.bytes { break }
    }

    /// While the reader stands still, the server can fill the kernel's buffers and no more; meanwhile other calls on the
    /// same threads go through, so that it has every chance to write.
    @Test func aReaderThatStandsStillHoldsTheUpstreamBack() async throws {
        let size = 1 << 30
        try await Upstream.with { call, _ in
            call.target == "/ping"
                ? [RawServer.answer(200)] : [RawServer.head(200, ["Content-Length: \(size)"]), .flood(size)]
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get))
            var iterator = download.bytes.makeAsyncIterator()
            _ = try await iterator.next()
            for _ in 0..<500 { _ = try await upstream.send(upstream.request(.get, "/ping")) }
            let written = upstream.server.log.flooded.all.reduce(0, +)
            #expect(written < 128 << 20)
            // It was held back, not broken off.
            #expect(try await iterator.next() != nil)
        }
    }

    @Test func anErrorAnswerIsReadForItsMessageAndNoFurther() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(404, body: #"{"error":{"code":"NotFound"}}"#)]
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get), expectedLength: 7)
            let response = await download.collected()
            #expect(response.status == 404)
            #expect(response.json?["error"]?["code"] == "NotFound")
            let again = try await upstream.download(upstream.request(.get))
            #expect(await again.collected(upTo: 5).body.count == 5)
        }
    }

    @Test func aRefusedTokenIsReplacedOnce() async throws {
        try await Upstream.with { call, _ in
            [RawServer.answer(call.headers["authorization"] == "Bearer token-2" ? 200 : 401, body: "file")]
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get, bearer: true))
            #expect(download.status == 200)
            #expect(await read(download.bytes).bytes == Array("file".utf8))
        }
    }

    @Test func anUpstreamThatAsksForSilenceGetsIt() async throws {
        try await Upstream.with { _, index in
            [index == 0 ? RawServer.answer(429, ["Retry-After: 7"]) : RawServer.answer(200)]
        } test: { upstream in
            let first = try await upstream.download(upstream.request(.get))
            #expect(first.status == 429)
            _ = try await upstream.send(upstream.request(.get))
            #expect(upstream.time.skipped == [.seconds(7)])
        }
    }
}
