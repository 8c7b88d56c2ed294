import NIOCore
import NIOEmbedded
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import Synchronization
import Testing

@testable import GatewayAPI

/// A stream whose client does not take its answer.
@Suite struct SlowStreamTests {
    private let channel = EmbeddedChannel()
    private let cuts = CutCounter()
    private let resets = ResetCatcher()

    /// With the time of ten windows, 100 seconds.
    private func open() throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(resets)
        let cuts = cuts
        try pipeline.addHandler(SlowStreamHandler(rate: 1, window: .seconds(10)) { cuts.add() })
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    private func write(_ bytes: Int) {
        channel.write(HTTPResponsePart.body(ByteBuffer(repeating: 0, count: bytes)), promise: nil)
    }

    @Test(arguments: [1, 100, 100_000])
    func anAnswerThatIsNotTakenIsReset(bytes: Int) throws {
        try open()
        write(bytes)
        channel.write(HTTPResponsePart.end(nil), promise: nil)
        channel.embeddedEventLoop.advanceTime(by: .seconds(99))
        #expect(channel.isActive && cuts.count == 0)
        channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!channel.isActive && cuts.count == 1)
        #expect(resets.codes == [.internalError])
    }

    @Test func littleThatIsTakenAtOnceIsNotSlow() throws {
        try open()
        for _ in 0..<100 {
            write(1)
            channel.flush()
            channel.embeddedEventLoop.advanceTime(by: .seconds(30))
        }
        #expect(channel.isActive && cuts.count == 0)
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test func whatHasJustBeenWrittenIsNotSlow() throws {
        try open()
        write(1)
        channel.flush()
        // Shortly before the check of the first one.
        channel.embeddedEventLoop.advanceTime(by: .seconds(99))
        write(1)
        channel.embeddedEventLoop.advanceTime(by: .seconds(99))
        #expect(channel.isActive && cuts.count == 0)
        channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!channel.isActive && cuts.count == 1)
    }
}

private final class CutCounter: Sendable {
    private let cuts = Mutex(0)

    var count: Int { cuts.withLock { $0 } }

    func add() { cuts.withLock { $0 += 1 } }
}

/// Takes what resets a stream.
private final class ResetCatcher: ChannelOutboundHandler {
    typealias OutboundIn = HTTPResponsePart

    var codes: [NIOHTTP2.HTTP2ErrorCode] = []

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        if let code = (event as? NIOHTTP2FramePayloadToHTTPEvent)?.reset { codes.append(code) }
        context.triggerUserOutboundEvent(event, promise: promise)
    }
}

@available(*, unavailable)
extension ResetCatcher: Sendable {}
