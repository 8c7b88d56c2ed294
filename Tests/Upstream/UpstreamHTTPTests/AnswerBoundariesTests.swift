import AsyncHTTPClient
import NIOCore
import NIOEmbedded
import NIOHTTP1
import ScriptedHost
import Testing
import TestSupport

@testable import UpstreamHTTP

/// Bytes after the end of an answer, on a connection that is kept.
@Suite(.timeLimit(.minutes(2))) struct AnswerBoundariesTests {
    /// Sends the next request as soon as an answer has ended, as AsyncHTTPClient does when a call waits for the connection.
    private final class Queue: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart
        typealias OutboundOut = HTTPClientRequestPart

        var waiting: [String]
        /// The bodies of the answers that have ended.
        private(set) var answers: [String] = []
        private(set) var errors: [any Error] = []
        private var body = ""

        init(_ waiting: [String]) { self.waiting = waiting }

        func channelActive(context: ChannelHandlerContext) { next(context) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head: body = ""
            case .body(let bytes): body += String(buffer: bytes)
            case .end:
                answers.append(body)
                next(context)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { errors.append(error) }

        func next(_ context: ChannelHandlerContext) {
            guard !waiting.isEmpty else { return }
            let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: waiting.removeFirst())
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    private let channel = EmbeddedChannel()
    private let queue: Queue

    init() throws {
        queue = Queue(["/1", "/2"])
        let decoder = ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes))
        try channel.pipeline.syncOperations.addHandlers([decoder, queue])
        try ResponseFraming.add(to: channel)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    private static func answer(_ body: String) -> String {
        "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private func arrive(_ text: String) throws { try channel.writeInbound(ByteBuffer(string: text)) }

    @Test func answersThatFollowTheirRequestsAreTaken() throws {
        try arrive(Self.answer("one"))
        try arrive(Self.answer("two"))
        #expect(queue.answers == ["one", "two"])
        #expect(queue.errors.isEmpty)
        #expect(channel.isActive)
    }

    @Test(arguments: [answer("wrong"), "wrong", "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"])
    func bytesThatCameWithTheEndAnswerNoWaitingCall(_ bytes: String) throws {
        try arrive(Self.answer("one") + bytes)
        #expect(queue.answers == ["one"])
        let refused = try #require(queue.errors.first as? NeverSent)
        #expect(refused.cause as? FramingFault == .bytesAfterTheEnd)
        #expect(!channel.isActive)
    }

    /// The rest of the head comes when the waiting call would have the connection.
    @Test(arguments: [
        "H", "HTTP/1.1 2", "HTTP/1.1 200", "HTTP/1.1 200 OK\r", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r",
    ])
    func theBeginningOfAHeadThatCameWithTheEndAnswersNoWaitingCall(_ beginning: String) throws {
        let surplus = Self.answer("wrong").utf8
        #expect(surplus.starts(with: beginning.utf8))
        try arrive(Self.answer("one") + beginning)
        let refused = try #require(queue.errors.compactMap { $0 as? NeverSent }.first)
        #expect(refused.cause as? FramingFault == .bytesAfterTheEnd)
        #expect(!channel.isActive)
        try? arrive(String(Substring(surplus.dropFirst(beginning.utf8.count))))
        #expect(queue.answers == ["one"])
    }

    @Test(arguments: [answer("wrong"), "HTTP/1.1 2", "w"])
    func bytesThatComeLaterAnswerNoLaterCall(_ bytes: String) throws {
        queue.waiting = []
        try arrive(Self.answer("one"))
        try arrive(bytes)
        #expect(queue.errors.map { $0 as? FramingFault } == [.bytesAfterTheEnd])
        queue.waiting = ["/2"]
        queue.next(try channel.pipeline.syncOperations.context(handler: queue))
        #expect(queue.errors.last is NeverSent)
        #expect(queue.answers == ["one"])
        #expect(!channel.isActive)
    }

    @Test func anAnswerThatEndsWithItsConnectionIsWhole() throws {
        try arrive("HTTP/1.1 200 OK\r\n\r\none")
        try channel.close().wait()
        #expect(queue.answers == ["one"])
    }

    /// Over sockets, with the connection pool: many calls wait for one connection.
    @Test func whatFollowsAnAnswerCostsNoCall() async throws {
        try await Upstream.with(connectionsPerHost: 1) { call, index in
            [.text(Self.answer(call.target) + (index == 0 ? Self.answer("wrong") : ""))]
        } test: { upstream in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...32 {
                    let request = try upstream.request(.get, "/\(number)")
                    group.addTask {
                        let download = try await upstream.download(request)
                        let (bytes, error) = await read(download.bytes)
                        #expect(error == nil)
                        #expect(String(decoding: bytes, as: UTF8.self) == "/\(number)")
                    }
                }
                try await group.waitForAll()
            }
            #expect(Set(upstream.server.calls.map(\.target)).count == 32)
            #expect(upstream.server.calls.count == 32)
            #expect(upstream.server.log.closings.all.first == [0])
        }
    }
}
