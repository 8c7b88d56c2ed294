import AsyncHTTPClient
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import UpstreamHTTP

/// One connection on a clock of its own.
@Suite struct SilenceTimeoutTests {
    private let channel = EmbeddedChannel()

    init() throws {
        try channel.pipeline.syncOperations.addHandlers([
            ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes)), Demand(),
        ])
        try SilenceTimeout.add(to: channel, limit: .seconds(10))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    /// Passes on the reads that the test asks for, and not those that a channel makes of itself.
    private final class Demand: ChannelOutboundHandler {
        typealias OutboundIn = HTTPClientRequestPart
        typealias OutboundOut = HTTPClientRequestPart

        func read(context: ChannelHandlerContext) {}
    }

    /// Asks to read, from where AsyncHTTPClient does.
    private func read() throws {
        try channel.pipeline.syncOperations.context(handlerType: Demand.self).read()
    }

    private func request() throws {
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        try read()
    }

    private func pass(_ seconds: Int64) { channel.embeddedEventLoop.advanceTime(by: .seconds(seconds)) }

    private func arrive(_ text: String) throws { try channel.writeInbound(ByteBuffer(string: text)) }

    private func expectTimeout() {
        #expect(throws: HTTPClientError.readTimeout) { try channel.throwIfErrorCaught() }
    }

    @Test func aSilentUpstreamIsGivenUp() throws {
        try request()
        pass(9)
        try channel.throwIfErrorCaught()
        pass(1)
        expectTimeout()
    }

    @Test func silenceCountsFromTheLastBytes() throws {
        try request()
        pass(6)
        try arrive("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
        try read()
        pass(9)
        try channel.throwIfErrorCaught()
        try arrive("0123456789")
        try read()
        pass(9)
        try channel.throwIfErrorCaught()
        pass(1)
        expectTimeout()
    }

    @Test func aReaderMayPauseAsLongAsItLikes() throws {
        try request()
        try arrive("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
        pass(3600)
        try channel.throwIfErrorCaught()
        // From here on it waits.
        try read()
        pass(9)
        try channel.throwIfErrorCaught()
        pass(1)
        expectTimeout()
    }

    @Test func betweenCallsAConnectionMayBeSilent() throws {
        try request()
        try arrive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        try read()
        pass(3600)
        try channel.throwIfErrorCaught()
        try request()
        pass(9)
        try channel.throwIfErrorCaught()
        pass(1)
        expectTimeout()
    }

    @Test func aClosedConnectionKeepsNoTimer() throws {
        try request()
        try channel.close().wait()
        pass(3600)
        try channel.throwIfErrorCaught()
    }
}
