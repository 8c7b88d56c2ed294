import AsyncHTTPClient
import NIOCore
import NIOEmbedded
import NIOHTTP1
import ScriptedHost
import Synchronization
import Testing

@testable import GatewayClient

/// What a connection reads of a file, and when.
@Suite(.timeLimit(.minutes(1))) struct ReadGateTests {
    /// Counts the reads of a connection.
    private final class Counter: ChannelOutboundHandler, Sendable {
        typealias OutboundIn = HTTPClientRequestPart
        let reads = Atomic(0)

        func read(context: ChannelHandlerContext) {
            reads.add(1, ordering: .relaxed)
            context.read()
        }

        var count: Int { reads.load(ordering: .relaxed) }
    }

    /// A connection that a file is asked for on, in front of AsyncHTTPClient.
    private static func bench() async throws -> (NIOAsyncTestingChannel, FileReceiver, Counter) {
        let (channel, receivers, counter) = (NIOAsyncTestingChannel(), FileReceivers(), Counter())
        let receiver = FileReceiver(on: channel.testingEventLoop, limit: 10)
        receivers["id"] = receiver
        try await channel.testingEventLoop.executeInContext {
            try channel.pipeline.syncOperations.addHandlers([counter, ReadGate(receivers)])
        }
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/", headers: ["X-Request-Id": "id"])
        try await channel.writeOutbound(HTTPClientRequestPart.head(head))
        receivers["id"] = nil
        return (channel, receiver, counter)
    }

    private static func read(_ part: HTTPClientResponsePart, _ channel: NIOAsyncTestingChannel) async throws {
        try await channel.writeInbound(part)
    }

    private static func head(_ status: HTTPResponseStatus) -> HTTPClientResponsePart {
        .head(HTTPResponseHead(version: .http1_1, status: status))
    }

    private static func body(_ text: String) -> HTTPClientResponsePart { .body(ByteBuffer(string: text)) }

    private static func ask(_ channel: NIOAsyncTestingChannel) async throws {
        try await channel.testingEventLoop.executeInContext { channel.pipeline.read() }
    }

    @Test func whatComesIsKeptUntilItIsTakenAndNoMoreIsRead() async throws {
        let (channel, receiver, counter) = try await Self.bench()
        try await Self.read(Self.head(.custom(code: 103, reasonPhrase: "Early Hints")), channel)
        try await Self.read(Self.head(.ok), channel)
        guard case .file = try await receiver.answer.get() else { return #expect(Bool(false)) }
        try await Self.read(Self.body("ab"), channel)
        let before = counter.count
        try await Self.ask(channel)
        #expect(counter.count == before)
        let taken = Mutex("")
        try await receiver.begin { piece in
            taken.withLock { $0 += String(buffer: piece) }
            return nil
        }
        await channel.testingEventLoop.run()
        #expect(counter.count == before + 1)
        try await Self.read(Self.body("cd"), channel)
        try await Self.read(.end(["Repr-Digest": "x"]), channel)
        #expect(taken.withLock { $0 } == "abcd")
        #expect(receiver.trailer?.first(name: "repr-digest") == "x")
        // AsyncHTTPClient sees each piece, and none of its bytes.
        var sizes: [Int] = []
        while let part = try await channel.readInbound(as: HTTPClientResponsePart.self) {
            if case .body(let piece) = part { sizes.append(piece.readableBytes) }
        }
        #expect(sizes == [0, 0])
        // The connection's next answer is another one's.
        try await Self.ask(channel)
        #expect(counter.count == before + 2)
        receiver.end()
        _ = try await channel.finish()
    }

    @Test func itReadsOnWhenThereIsSpace() async throws {
        let (channel, receiver, counter) = try await Self.bench()
        try await Self.read(Self.head(.partialContent), channel)
        let space = channel.testingEventLoop.makePromise(of: Void.self)
        try await receiver.begin { _ in space.futureResult }
        await channel.testingEventLoop.run()
        try await Self.read(Self.body("ab"), channel)
        let before = counter.count
        try await Self.ask(channel)
        #expect(counter.count == before)
        space.succeed()
        await channel.testingEventLoop.run()
        #expect(counter.count == before + 1)
        receiver.end()
        _ = try await channel.finish()
    }

    @Test func whatCameBeforeABreakCanBeTakenAfterIt() async throws {
        let (channel, receiver, _) = try await Self.bench()
        try await Self.read(Self.head(.ok), channel)
        for number in 0..<200 { try await Self.read(Self.body("\(number % 10)"), channel) }
        receiver.failed(HTTPClientError.remoteConnectionClosed)
        let count = Mutex(0)
        try await receiver.begin { piece in
            count.withLock { $0 += piece.readableBytes }
            return nil
        }
        #expect(count.withLock { $0 } == 200)
        receiver.end()
        _ = try await channel.finish()
    }

    @Test func nothingIsTakenAfterItsEnd() async throws {
        let (channel, receiver, _) = try await Self.bench()
        try await Self.read(Self.head(.ok), channel)
        try await receiver.begin { _ in
            Issue.record("bytes were taken")
            return nil
        }
        receiver.end()
        try await Self.read(Self.body("ab"), channel)
        _ = try await channel.finish()
    }

    @Test func aFileThatIsRefusedAtLengthIsNotGathered() async throws {
        var settings = ClientSettings()
        settings.longestAnswer = 1000
        try await ClientBench.with(settings: settings) { _, _ in
            [RawServer.head(404, ["Transfer-Encoding: chunked"]), .text("400\r\n"), .flood(1024)]
        } test: { bench in
            await #expect { try await DownloadTests.download(bench, DownloadTests.export()) } throws: { error in
                if case GatewayClientError.unexpectedAnswer(let detail) = error {
                    detail.contains("larger")
                } else {
                    false
                }
            }
        }
    }
}
